"""Encoders from folders of ours and from published weights, and folders written; how they encode is
encoder.py's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.folder import TRAINED_ON_FILE
from clipcap_ext.engine.checkpoint.safefile import read_float32, write_safetensors
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer, load_tokenizer
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.library import import_open_clip
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.sources import find_clip, missing_clip_error
from clipcap_ext.engine.clip.text import ClipTokens
from clipcap_ext.engine.clip.weights import load_published
from clipcap_ext.engine.concepts.classifier import read_concepts
from clipcap_ext.engine.towers.clip_model import ClipModel
from clipcap_ext.engine.towers.filling import fill_tower
from clipcap_ext.engine.towers.lite_clip import LiteClip, is_lite_clip
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.files import recover_folder, write_folder
from clipcap_ext.foreign_json import expect, read_json_file, shown

MOST_SIZE, MOST = 65_536, {"layers": 200, "width": 16_384, "image_size": 4096, "vocab_size": 2_000_000}
CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "model.safetensors"


def load_encoder(
    config: EncoderConfig, *, folder: Path | None = None, device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None, folders: Sequence[Path] = (),
) -> ClipEncoder:  # fmt: skip
    """Load an encoder: from `folder` where one is given, a CNN for the tag `imagenet`, else one of
    open_clip's by name.

    A published CLIP is taken from this disk: the `folders` of models and the places in sources.py; never
    downloaded. Raises CheckpointError if the folder or the weights cannot be used; UsageError for a name the
    library lacks.
    """
    if folder:
        encoder = _from_folder(folder, config)
    elif config.pretrained == "imagenet":
        from clipcap_ext.engine.clip.imagenet import load_cnn

        encoder = load_cnn(config)
    else:
        encoder = _from_open_clip(config, folders)
    return encoder.to(device, dtype)


def _clip(model_cfg: dict[str, Any]) -> ClipModel:
    """As build_clip, without open_clip where it is a kind that is defined here."""
    if is_lite_clip(model_cfg):
        _check_sizes(model_cfg)
        return LiteClip(**model_cfg)
    return build_clip(model_cfg)


def build_clip(model_cfg: dict[str, Any]) -> ClipModel:
    """A CLIP with random weights from open_clip's own configuration words (`embed_dim`, `vision_cfg`,
    `text_cfg`)."""
    open_clip = import_open_clip()

    _check_sizes(model_cfg)
    try:
        return open_clip.CLIP(**model_cfg)
    except Exception as error:  # the libraries below raise many kinds for sizes that do not go together
        library = f"open_clip {version('open_clip_torch')}"
        raise CheckpointError(f"{library} rejects this CLIP configuration: {error}") from error


def _check_sizes(model_cfg: Mapping[str, Any]) -> None:
    """CheckpointError for a size above any CLIP's: it would fill the memory before the weights are looked
    at."""
    pending: list[tuple[str, Any]] = [("model_cfg", dict(model_cfg))]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += value.items()
        elif isinstance(value, list):
            pending += [(name, inner) for inner in value]
        elif type(value) in (int, float) and not abs(value) <= MOST.get(name, MOST_SIZE):
            raise CheckpointError(f"{shown(name)} of {shown(value)} fits no CLIP.")


def save_encoder(
    folder: Path, clip: nn.Module, model_cfg: dict[str, Any], preprocess: Preprocess, card: str,
    bpe: BpeTokenizer | None = None, trained_on: Iterable[str] = (),
) -> None:  # fmt: skip
    """Write an encoder folder, atomically and in float16: open_clip_config.json, model.safetensors,
    README.md.

    A `bpe` adds vocab.json and merges.txt, and the texts are then tokenised by it instead of by open_clip.
    `trained_on`: image_fingerprint of each training image, kept as in a checkpoint.
    """
    with write_folder(folder) as partial:
        state = {
            name: tensor.detach().half()
            for name, tensor in clip.state_dict().items()
            if tensor.is_floating_point()
        }
        write_safetensors(partial / WEIGHTS_FILE, state)
        config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess.to_dict()}
        (partial / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(card, encoding="utf-8")
        (partial / TRAINED_ON_FILE).write_text(json.dumps(sorted(set(trained_on))) + "\n", encoding="utf-8")
        if bpe is not None:
            bpe.save(partial)


def is_encoder_folder(folder: Path) -> bool:
    """Whether `folder` holds an encoder of ours."""
    return (folder / CONFIG_FILE).is_file()


def _from_folder(folder: Path, config: EncoderConfig) -> ClipEncoder:
    recover_folder(folder)
    path = folder / CONFIG_FILE
    try:
        described = expect(read_json_file(path, CheckpointError), dict, str(path), CheckpointError)
    except CheckpointError as error:
        raise CheckpointError(f"{folder} does not describe an encoder: {error}") from error
    model_cfg, preprocess_cfg = (
        expect(described.get(name), dict, f"{path}, {name}", CheckpointError)
        for name in ("model_cfg", "preprocess_cfg")
    )
    text_cfg = expect(model_cfg.get("text_cfg"), dict, f"{path}, text_cfg", CheckpointError)
    weights = folder / WEIGHTS_FILE
    clip = fill_tower(
        lambda: _clip(model_cfg), read_float32(weights, later=_is_of_texts), str(weights),
        "Copy or download the encoder again.",
    )  # fmt: skip
    clip.visual.to(memory_format=torch.channels_last)  # convolutions run nearly twice as fast on a CPU
    context_length = text_cfg.get("context_length", 77)
    expect(context_length, int, f"{path}, context_length", CheckpointError)
    bpe = load_tokenizer(folder) if (folder / "vocab.json").is_file() else None
    concepts = read_concepts(folder)
    if concepts is not None:
        concepts.to(memory_format=torch.channels_last)
    tokens = ClipTokens(context_length, bpe)
    return ClipEncoder(clip, Preprocess.from_dict(preprocess_cfg), tokens, config, concepts, weights)


def _is_of_texts(name: str) -> bool:
    """Whether a weight is one that no picture needs: the encoder spreads it when the first text is read."""
    return not name.startswith("visual.")


def _from_open_clip(config: EncoderConfig, folders: Sequence[Path]) -> ClipEncoder:
    open_clip = import_open_clip()

    if config.model not in open_clip.list_models():
        raise UsageError(f"open_clip {version('open_clip_torch')} knows no model {config.model!r}.")
    file = find_clip(config, folders=folders)
    if file is None:
        raise missing_clip_error(config)
    clip, preprocess = load_published(config, file)
    clip.visual.to(memory_format=torch.channels_last)
    context_length = open_clip.get_model_config(config.model)["text_cfg"].get("context_length", 77)
    return ClipEncoder(clip, preprocess, ClipTokens(context_length), config, source=file.path)
