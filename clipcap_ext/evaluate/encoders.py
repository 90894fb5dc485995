"""The encoder that a name on the command line means, for retrieval; the engine loads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from clipcap_ext.engine.card import EncoderConfig
from clipcap_ext.engine.catalog import ENCODER_CONFIG_FILE, find_encoder_folder, find_model
from clipcap_ext.engine.clip_encoder import ClipEncoder, load_encoder
from clipcap_ext.engine.factory import encoder_of
from clipcap_ext.errors import CheckpointError, ModelNotFound

CHUNK = 64


def named_encoder(name: str, device: str) -> tuple[ClipEncoder, list[Path]]:
    """An encoder and the folders it comes from.

    `name`: an encoder folder, a bundled encoder, open_clip's MODEL/PRETRAINED, or a captioner, whose encoder is meant.
    """
    folder = Path(name).expanduser()
    if (folder / ENCODER_CONFIG_FILE).is_file():
        return load_encoder(EncoderConfig(folder.resolve().name, ""), folder=folder, device=device), [folder]
    try:
        entry = find_model(name)
    except ModelNotFound:
        return _by_name(name, device)
    if entry.config is None:
        raise CheckpointError(f"The model {entry.name} cannot be used: {entry.problem}")
    return encoder_of(entry.config, entry.folder, device), model_folders(entry.folder, entry.config.encoder)


def model_folders(folder: Path, encoder: EncoderConfig) -> list[Path]:
    """The folders a captioner is made of: its own and its encoder's, where that is one of ours."""
    return [folder] if encoder.pretrained else [folder, find_encoder_folder(encoder.model, folder)]


def _by_name(name: str, device: str) -> tuple[ClipEncoder, list[Path]]:
    model, _, pretrained = name.partition("/")
    if pretrained and not Path(name).exists():
        return load_encoder(EncoderConfig(model, pretrained), device=device), []
    folder = find_encoder_folder(name, Path.cwd())
    return load_encoder(EncoderConfig(name, ""), folder=folder, device=device), [folder]


def encode_texts(encoder: ClipEncoder, texts: Sequence[str]) -> torch.Tensor:
    """(len(texts), clip_dim) of unit norm, on the CPU, in small batches."""
    parts = [encoder.encode_text(texts[start : start + CHUNK]).cpu() for start in range(0, len(texts), CHUNK)]
    return torch.cat(parts)
