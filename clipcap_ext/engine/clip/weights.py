"""A published CLIP from a file on this disk, whichever program wrote it, without making random weights
first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.checkpoint.verified_files import has_sha256
from clipcap_ext.engine.clip.model import ClipModel
from clipcap_ext.engine.clip.names import open_clip_state
from clipcap_ext.engine.clip.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess
from clipcap_ext.engine.clip.sources import ClipFile
from clipcap_ext.errors import CheckpointError

SETTINGS = ("input_resolution", "context_length", "vocab_size")  # numbers among the weights of OpenAI's files


def load_published(encoder: EncoderConfig, file: ClipFile) -> tuple[ClipModel, Preprocess]:
    """(the CLIP in float32, how its pictures are prepared) from `file`; CheckpointError if it is wrong."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    tag: dict[str, Any] = get_pretrained_cfg(encoder.model, encoder.pretrained) or {}
    # OpenAI's own models use the quick form of GELU; older open_clips say so in their loader only.
    quick = bool(tag.get("quick_gelu")) or encoder.pretrained == "openai"
    model_cfg = {**open_clip.get_model_config(encoder.model), **({"quick_gelu": True} if quick else {})}
    clip = _build_empty(encoder.model, model_cfg, quick)
    _fill(clip, read_clip(file), file)
    size = model_cfg["vision_cfg"].get("image_size", 224)
    preprocess = Preprocess(
        size[0] if isinstance(size, (tuple, list)) else size, tuple(tag.get("mean") or OPENAI_MEAN),
        tuple(tag.get("std") or OPENAI_STD), tag.get("resize_mode") or "shortest",
        tag.get("interpolation") or "bicubic",
    )  # fmt: skip
    return clip, preprocess


def read_clip(file: ClipFile) -> dict[str, Tensor]:
    """The weights under open_clip's names, float32."""
    if file.form == "openai":
        state = _openai_archive(file)
    else:
        state = read_safetensors(file.path)
        state = open_clip_state(state) if file.form == "transformers" else state
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _openai_archive(file: ClipFile) -> dict[str, Tensor]:
    """OpenAI's TorchScript archive. It holds code, so it is opened only if it is theirs to the last byte."""
    if not has_sha256(file.path, file.sha256):
        raise CheckpointError(
            f"{file.path} is not OpenAI's file of that name (whose SHA-256 is {file.sha256}), so it is not "
            "opened. Delete it, or download it again."
        )
    try:
        state = torch.jit.load(str(file.path), map_location="cpu").state_dict()
    except RuntimeError as error:
        raise CheckpointError(f"{file.path} cannot be read by torch {torch.__version__}: {error}") from error
    return {name: tensor for name, tensor in state.items() if name not in SETTINGS}


def _build_empty(name: str, model_cfg: Mapping[str, Any], quick: bool) -> ClipModel:
    """The architecture without values where it is a plain CLIP; with random ones where open_clip has another
    class."""
    import open_clip

    if {"custom_text", "multimodal_cfg"} & set(model_cfg) or "hf_model_name" in model_cfg.get("text_cfg", {}):
        return open_clip.create_model(name, pretrained=None, force_quick_gelu=quick)
    with torch.device("meta"):
        return open_clip.CLIP(**model_cfg)


def _fill(clip: nn.Module, state: Mapping[str, Tensor], file: ClipFile) -> None:
    wanted = {name: tensor.shape for name, tensor in clip.state_dict().items()}
    lacks, extra = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    other = [name for name, shape in wanted.items() if name in state and state[name].shape != shape]
    if lacks or extra or other:
        raise CheckpointError(
            f"{file.path} does not fit: missing {lacks}, not wanted {extra}, of another shape {other}. It "
            "belongs to another model, or is damaged: delete it, or download it again."
        )
    broken = [
        name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f"{file.path} holds values that are not finite ({broken[0]}): download it again."
        )
    clip.load_state_dict(state, assign=True)
    for module in clip.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta and name == "attn_mask":
                module.register_buffer(
                    name, torch.full(buffer.shape, float("-inf")).triu_(1), persistent=False
                )
    left = [name for name, tensor in [*clip.named_parameters(), *clip.named_buffers()] if tensor.is_meta]
    if left:
        raise CheckpointError(f"{file.path} left these without a value: {', '.join(left)}.")
