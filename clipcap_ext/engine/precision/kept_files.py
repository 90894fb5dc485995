"""Where rounded weights are kept, and which of them go: files of ours in the user's cache alone. Imports no
torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from clipcap_ext.engine.checkpoint.places import cache_folder
from clipcap_ext.engine.checkpoint.safefile import read_words
from clipcap_ext.errors import CheckpointError

NEWEST = 2  # copies of one part that stay: those of two programs with another torch each
PICTURES, TEXTS, WORDS = PARTS = ("pictures", "texts", "words")  # what a copy may be of


def copies_folder() -> Path:
    """clipcap-ext/precision in the user's cache folder."""
    return cache_folder() / "precision"


def folder_of(source: Path) -> Path:
    """The folder of the copies of one file of weights."""
    return copies_folder() / hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:24]


def forget_copies(sources: Iterable[Path]) -> None:
    """Delete what is kept of these files of weights; of most there is nothing."""
    for source in sources:
        _remove(_copies_in(folder_of(source)))


def sweep(written: Path) -> None:
    """Delete the copies that nobody needs once this one is written: older ones of the same part, and those of
    weights that are no longer where they were."""
    _remove(_older(written))
    _remove(_without_source())


def _older(path: Path) -> list[Path]:
    """The copies beside `path` of the same part that are not among the newest."""
    part = path.name.partition("-")[0]
    same = [other for other in _copies_in(path.parent) if other.name.partition("-")[0] == part]
    return sorted(same, key=_written, reverse=True)[NEWEST:]


def _written(path: Path) -> int:
    """When, in nanoseconds; 0 for what is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _without_source() -> list[Path]:
    """Copies of weights that are no longer where they were."""
    found = []
    for copy in copies_folder().glob("*/*.safetensors"):
        with suppress(CheckpointError):
            source = read_words(copy).get("source", "")
            if copy.parent == folder_of(Path(source)) and not Path(source).exists():
                found.append(copy)
    return found


def _copies_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.safetensors") if path.name.startswith(PARTS)]


def _remove(copies: Iterable[Path]) -> None:
    for path in copies:
        with suppress(OSError):  # somebody reads it, or was faster
            path.unlink()
            path.parent.rmdir()  # where it was the last
