"""The encoder and the language model of a row: their files by checksum, and what is missing; it loads none.

A file counts as published if its SHA-256 is one of those below or, of OpenAI's own files, in its address.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.hub_cache import cached_file
from clipcap_ext.engine.clip.sources import OPENAI, find_clip
from clipcap_ext.files import file_sha256
from clipcap_ext.reproduce.recipes import GPT2, Recipe

ENCODER, LANGUAGE_MODEL = "encoder", "language model"
HUB_GPT2, WEIGHTS = "gpt2", "model.safetensors"
LM_CONFIG = "config.json"
PUBLISHED = {
    "CLIP ViT-L-14 (openai)": (
        "9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",  # timm's, as open_clip fetches it
        "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",  # transformers'
    ),
    GPT2: ("248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",),
}


@dataclass(frozen=True)
class Part:
    """One of a row's parts. what: encoder or language model; sha256: empty where no file of its own is
    known."""

    what: str
    name: str
    sha256: str = ""
    published: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it is kept with a row's scores."""
        return asdict(self)


def is_published(name: str, sha256: str) -> bool:
    """Whether a file of that checksum is the published part of that name."""
    model = name.removeprefix("CLIP ").partition(" ")[0]
    known = PUBLISHED.get(name, ())
    return bool(sha256) and sha256 in (*known, *([OPENAI[model].sha256] if model in OPENAI else []))


def encoder_part(encoder: EncoderConfig) -> Part:
    """The encoder that captions were made from; its file is the one that is found on this disk."""
    name = f"CLIP {encoder.model} ({encoder.pretrained})" if encoder.pretrained else encoder.model
    found = find_clip(encoder) if encoder.pretrained not in ("", "imagenet") else None
    sha256 = checksum(found.path) if found is not None else ""
    return Part(ENCODER, name, sha256, is_published(name, sha256))


def gpt2_part(folder: Path) -> Part:
    """The GPT-2 in a folder, from which a training starts."""
    sha256 = checksum(folder / WEIGHTS)
    return Part(LANGUAGE_MODEL, GPT2, sha256, is_published(GPT2, sha256))


def language_part(folder: Path) -> Part:
    """Another language model's folder, by its name."""
    return Part(LANGUAGE_MODEL, folder.name, checksum(folder / WEIGHTS))


def is_language_folder(folder: Path) -> bool:
    """Whether it looks like the folder of a language model."""
    return (folder / LM_CONFIG).is_file()


def cached_gpt2() -> Path | None:
    """GPT-2's folder in the Hub's cache on this machine, None if it is not there."""
    file = cached_file(HUB_GPT2, WEIGHTS)
    return file.parent if file is not None else None


def missing_parts(recipe: Recipe, lm: Path) -> list[str]:
    """The parts of a row that are not on this disk; words to print. lm: as missing_language has it."""
    if recipe.encoder == "imagenet":
        return []  # comes with a package
    encoder = find_clip(EncoderConfig(recipe.encoder, "openai"))
    return [*([f"CLIP {recipe.encoder} (openai)"] if encoder is None else []), *missing_language(recipe, lm)]


def missing_language(recipe: Recipe, lm: Path) -> list[str]:
    """The row's language model if it is not on this disk; lm: where one that is not GPT-2 would lie."""
    here = cached_gpt2() is not None if recipe.language == GPT2 else is_language_folder(lm)
    return [] if here else [recipe.language]


def wrong_parts(recipe: Recipe) -> list[str]:
    """The parts of a row that lie here under the published ones' names and are not them; words to print."""
    if recipe.encoder == "imagenet":
        return []
    encoder, folder = encoder_part(EncoderConfig(recipe.encoder, "openai")), cached_gpt2()
    found = [encoder, *([gpt2_part(folder)] if folder is not None and recipe.language == GPT2 else [])]
    return [
        f"{part.name} as published (by its checksum the one here is another)"
        for part in found
        if part.sha256 and not part.published
    ]


def checksum(file: Path) -> str:
    """A file's SHA-256, read once; empty where there is none."""
    if not file.is_file():
        return ""
    stat = file.stat()
    return _checksum(file, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _checksum(file: Path, size: int, changed: int) -> str:
    return file_sha256(file)


def foreign_parts(parts: list[Mapping[str, Any]]) -> list[str]:
    """What of the kept parts is not the published one, in words."""
    return [
        f"{part['what']} {part['name']} "
        + (f"of SHA-256 {part['sha256'][:12]}..., which is not the published one" if part["sha256"]
           else "of unknown origin")
        for part in parts
        if not part["published"]
    ]  # fmt: skip
