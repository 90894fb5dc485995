"""git's own digest of a file, and a memory of the files that were found right; nothing is fetched here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clipcap_ext.engine.checkpoint.places import cache_folder
from clipcap_ext.files import file_digest, file_sha256, write_json
from clipcap_ext.foreign_json import ForeignJsonError, parse_json


def git_blob_id(path: Path) -> str:
    """40 hex digits: what git, and so the Hub, calls a small file by."""
    return file_digest(path, hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False))


def default_memory() -> Path:
    """Where it is kept which files were found right."""
    return cache_folder() / "checksums.json"


def has_sha256(path: Path, expected: str, memory: Path | None = None) -> bool:
    """Whether `path` has that SHA-256, as `sha256_of` knows it."""
    return sha256_of(path, memory) == expected


def sha256_of(path: Path, memory: Path | None = None) -> str:
    """64 hex digits; read once, then remembered for as long as size and time of change stay.

    memory: the file that remembers (default: default_memory()); where it cannot be written the file is read
    each time. OSError where it cannot be read.
    """
    memory = memory or default_memory()
    known = _recall(memory)
    stat = path.stat()
    state = [stat.st_size, stat.st_mtime_ns]
    entry = known.get(str(path.resolve()))
    if not isinstance(entry, list) or entry[:2] != state or not isinstance(entry[-1], str):
        entry = [*state, file_sha256(path)]
        _keep(memory, {**known, str(path.resolve()): entry})
    return str(entry[-1])


def _recall(memory: Path) -> dict[str, object]:
    try:
        content = parse_json(memory.read_bytes())
    except (OSError, ForeignJsonError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(memory: Path, known: dict[str, object]) -> None:
    try:
        write_json(memory, known)
    except OSError:
        pass  # it is only a memory: the next load reads the file again
