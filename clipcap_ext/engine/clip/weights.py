"""A published CLIP from a file on this disk, whichever program wrote it, without making random weights
first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.safefile import read_float32
from clipcap_ext.engine.checkpoint.verified_files import has_sha256
from clipcap_ext.engine.clip.names import open_clip_state
from clipcap_ext.engine.clip.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess
from clipcap_ext.engine.clip.sources import ClipFile
from clipcap_ext.engine.towers.clip_model import ClipModel
from clipcap_ext.engine.towers.filling import fill_tower
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
    clip = fill_tower(
        lambda: _build(encoder.model, model_cfg, quick), read_clip(file), str(file.path),
        "It belongs to another model, or is damaged: delete it, or download it again.",
    )  # fmt: skip
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
        state = read_float32(file.path)
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


def _build(name: str, model_cfg: Mapping[str, Any], quick: bool) -> ClipModel:
    """The architecture, where it is a plain CLIP or where open_clip has another class."""
    import open_clip

    if {"custom_text", "multimodal_cfg"} & set(model_cfg) or "hf_model_name" in model_cfg.get("text_cfg", {}):
        return open_clip.create_model(name, pretrained=None, force_quick_gelu=quick)
    return open_clip.CLIP(**model_cfg)
