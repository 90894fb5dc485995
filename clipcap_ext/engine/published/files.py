"""A file of published weights as the catalog meets it: what is known besides, and the folder made on first
use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.clip.sources import HUB_FOLDER
from clipcap_ext.engine.published.conversion import convert_file, ensure_converted
from clipcap_ext.engine.published.inspection import ORIGIN, converted_folder
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.engine.published.published_models import (
    GPT2_REPO,
    PUBLISHED,
    TOKENIZER_FILES,
    PublishedModel,
)


def known_parts(about: PublishedModel | None, *, folders: Sequence[Path] = ()) -> PublishedParts:
    """What is known besides the file, and the vocabulary and GPT-2 that were downloaded for such files."""
    gpt2 = next((place for place in _gpt2_folders(folders) if (place / "model.safetensors").is_file()), None)
    vocabularies = [
        place for place in _gpt2_folders(folders) if all((place / name).is_file() for name in TOKENIZER_FILES)
    ]
    if about is None:
        return PublishedParts(gpt2=gpt2)
    licence = {"licence": about.licence, "terms": about.terms}
    training = {**about.training, **{key: text for key, text in licence.items() if text}}
    tokenizer = vocabularies[0] if vocabularies and about.tokenizer == GPT2_REPO else None
    encoder = (
        None if about in PUBLISHED and not about.repo else about.encoder
    )  # whichever file it is: its shapes say
    return PublishedParts(
        tokenizer=tokenizer, encoder=encoder, gpt2=gpt2, decoding=about.decoding or None, training=training
    )


def ensure_folder(
    file: Path, folder: Path, about: PublishedModel | None, *, folders: Sequence[Path] = ()
) -> Path:
    """The checkpoint folder of a file of weights, made on first use; CheckpointError as convert_file."""
    parts = known_parts(about, folders=folders)
    if folder == converted_folder(file):
        return ensure_converted(file, parts)
    if not (folder / CONFIG_FILE).is_file():
        convert_file(file, folder, parts)
    return folder


def source_file_name(config: CheckpointConfig | None) -> str:
    """The name of the file that a checkpoint was converted from, empty if it was not."""
    origin = config.training.get(ORIGIN) if config is not None else None
    return str(origin.get("file", "")) if isinstance(origin, dict) else ""


def _gpt2_folders(folders: Sequence[Path]) -> list[Path]:
    return [folder / HUB_FOLDER / GPT2_REPO.replace("/", "--") for folder in folders]
