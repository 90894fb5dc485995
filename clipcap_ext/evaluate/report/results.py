"""results.json: what every one of them says of its making, and how it is written; it computes no score."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clipcap_ext import __version__
from clipcap_ext.errors import UsageError
from clipcap_ext.files import file_sha256, to_digits, write_json

FORMAT = "clipcap-ext-results-1"
DIGITS = 10
LIBRARIES = ("torch", "transformers", "open_clip_torch", "numpy", "pycocoevalcap")
MODEL_FILES = (
    "config.json", "open_clip_config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer.json",
    "words.json", "labels.json", "concepts.json", "concepts.safetensors", "model.onnx", "selected_tags.csv",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """The format, the date (UTC) and the versions that made the figures."""
    versions = {"clipcap_ext": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "format": FORMAT,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions,
    }


def folder_fingerprint(folder: Path) -> str:
    """A digest of the files that decide what a model says, so that two results can be known to be of one
    model.

    The scores that config.json may hold are left out: recording a score does not make another model.
    """
    digest = hashlib.sha256()
    for name in MODEL_FILES:
        path = folder / name
        if path.is_file():
            content = path.read_bytes()
            if name == "config.json":
                kept = {key: value for key, value in json.loads(content).items() if key != "scores"}
                content = json.dumps(kept, sort_keys=True).encode()
            digest.update(name.encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def file_fingerprint(path: Path) -> str:
    """The first 32 hex digits of a file's SHA-256."""
    return file_sha256(path)[:32]


def check_writable(path: Path, option: str = "--out") -> None:
    """UsageError, before hours of work, if results could not be written to `path`."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(
            f"{option} {path} cannot be written: name a file in an existing folder you may write to."
        )


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write JSON to `path`, whole or not at all; fractions to DIGITS decimals, in which processors agree."""
    write_json(path, to_digits(dict(results), DIGITS))
