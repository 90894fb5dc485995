"""The encoder that a name on a command line means, and the device that a process takes; it encodes
nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from clipcap_ext.engine.catalog import ENCODER_CONFIG_FILE, find_encoder_folder, find_model
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.factory import load_model_encoder
from clipcap_ext.errors import ModelNotFound, UsageError


def load_named_encoder(name: str, device: str, normalize: bool = True) -> tuple[ClipEncoder, list[Path]]:
    """An encoder and the folders it comes from.

    `name`: an encoder folder, a bundled encoder, open_clip's MODEL/PRETRAINED, or a captioner, whose encoder
    is meant (and whose choice of features that are not normalised stays).
    """
    folder = Path(name).expanduser()
    if (folder / ENCODER_CONFIG_FILE).is_file():
        return load_encoder(
            EncoderConfig(folder.resolve().name, "", normalize), folder=folder, device=device
        ), [folder]
    try:
        entry = find_model(name)
    except ModelNotFound:
        return _load_by_name(name, device, normalize)
    config = entry.usable_config()
    wanted = replace(config.clip, normalize=normalize and config.clip.normalize)
    encoder = load_model_encoder(replace(config, encoder=wanted), entry.folder, device)
    return encoder, model_folders(entry.folder, config.encoder)


def model_folders(folder: Path, encoder: EncoderConfig | None) -> list[Path]:
    """The folders a captioner is made of: its own and its encoder's, where that is one of ours."""
    if encoder is None or encoder.pretrained:
        return [folder]
    return [folder, find_encoder_folder(encoder.model, folder)]


def process_device(name: str, local_rank: int) -> str:
    """A device's name: auto is this process's GPU if there is one (a Mac's too), else the CPU. UsageError for
    one not there."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        if count:
            return f"cuda:{local_rank % count}"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: torch knows no such device.") from error
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(f"--device {name}: there are {count} GPUs here.")
    return name


def _load_by_name(name: str, device: str, normalize: bool) -> tuple[ClipEncoder, list[Path]]:
    model, _, pretrained = name.partition("/")
    if model and pretrained and not Path(name).exists():
        return load_encoder(EncoderConfig(model, pretrained, normalize), device=device), []
    folder = find_encoder_folder(name, Path.cwd())
    return load_encoder(EncoderConfig(name, "", normalize), folder=folder, device=device), [folder]
