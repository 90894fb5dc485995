"""Files and folders written whole or not at all, JSON that a person named, a file's SHA-256; no format of
any content.

What is written grows beside its place under a name of its own (`.NAME.clipcap-HOST-PID-LIFE-N.part`), reaches
the disk, and is then renamed, so whoever reads meets the old or the new. The name tells who wrote: what a
killed process left is put right by the next one, and nobody touches what is still growing.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.foreign_json import ForeignJsonError, parse_json

BLOCK = 1 << 20  # bytes read at a time
MOST_JSON = 1 << 30  # bytes of a file of captions or scores
DAY = 24 * 3600.0  # seconds after which the unfinished file of another machine counts as left behind
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_LIFE = secrets.token_hex(3)  # a container's processes have the same number again and again
_NUMBERS = itertools.count()
_UNFINISHED = re.compile(
    r"\.(?P<name>.+)\.clipcap-(?P<host>[0-9a-f]{6})-(?P<pid>\d{1,9})-(?P<life>[0-9a-f]{6})-\d+"
    r"\.(?P<kind>part|old)",
    re.DOTALL,
)


def write_whole(path: Path, content: str | bytes, settled: bool = True) -> None:
    """Make `path` hold just this (text as UTF-8): its old or its whole new content, whatever happens.

    An old file's permissions stay; a link stays one, and what it points to is written. OSError as open's.
    settled: as `write_file` has it.
    """
    with write_file(path, settled) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: object) -> None:
    """`write_whole` of JSON, indented by one; missing folders are made. ValueError for NaN and infinities."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def to_digits(value: Any, digits: int) -> Any:
    """Plain data for JSON, its fractions rounded: processors differ in their last digits."""
    if isinstance(value, dict):
        return {key: to_digits(one, digits) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_digits(one, digits) for one in value]
    return round(value, digits) if isinstance(value, float) else value


@contextmanager
def write_file(path: Path, settled: bool = True) -> Iterator[Path]:
    """Give a path to write to; if the block ends well, that file takes the place of `path`, else it is
    removed.

    settled: wait until it would outlive a power cut; otherwise `settle` of its folder does, and until then
    a power cut may bring back the old one, as whole as it was.
    """
    path = path.resolve()
    _tidy_once(path.parent)
    part = _beside(path, "part")
    try:
        yield part
        if path.exists():
            shutil.copymode(path, part)
        _rename(part, path)
        if settled:
            settle(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; if the block ends well it takes the place of `folder`, else it is gone.

    An old folder stays until the new one is whole; killed between the two renames, recover_folder helps.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    tidy(folder.parent)
    part = _beside(folder, "part")
    part.mkdir()
    try:
        yield part
        for place, _, names in os.walk(part):
            for name in names:
                _reach_disk(Path(place, name))
            _reach_disk(Path(place))
        _exchange(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def put_in_place(part: Path, path: Path) -> None:
    """Rename a finished file to `path`, in the same folder, once it is on the disk."""
    _rename(part, path)
    settle(path.parent)


def settle(folder: Path) -> None:
    """Wait until what was renamed in a folder would outlive a power cut."""
    _reach_disk(folder)


def _rename(part: Path, path: Path) -> None:
    _reach_disk(part)
    os.replace(part, path)


def recover_folder(folder: Path) -> None:
    """Bring `folder` back if it is missing because a process was killed while it exchanged it; else do
    nothing."""
    folder = folder.resolve()
    if not folder.exists():
        tidy(folder.parent, only=folder.name)


def tidy(folder: Path, only: str = "") -> None:
    """Put right what killed processes left in `folder`: an exchanged folder goes back, unfinished files go.

    only: leave alone what was not to become this name. Live processes' files are never touched; what cannot
    be changed stays.
    """
    for entry in _names_in(folder):
        named = _UNFINISHED.fullmatch(entry)
        if named and (not only or named["name"] == only):
            with suppress(OSError):  # another process was faster, or may not write here
                if _is_left_behind(folder / entry, named):
                    _put_right(folder / entry, named)


def read_json(path: Path, option: str = "") -> Any:
    """What the file holds; a UsageError with `option`, the words that named it, if it cannot be read or is no
    JSON."""
    named = f"{option} {path}".strip()
    try:
        return parse_json(path.read_bytes(), MOST_JSON)
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror or error}.") from error
    except ForeignJsonError as error:
        raise UsageError(f"{named} is not JSON: {error}.") from error


def file_sha256(path: Path) -> str:
    """64 hex digits."""
    return file_digest(path, hashlib.sha256())


def file_digest(path: Path, digest: hashlib._Hash) -> str:
    """The hex digits of `digest` once it has seen the file, which is read block by block."""
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _beside(path: Path, kind: str) -> Path:
    """A name of this process's own. A file's is cut, so that a long name can still be written; an old
    folder's is not, for it goes back by it."""
    name = path.name if kind == "old" else path.name[:40]
    return path.with_name(f".{name}.clipcap-{_HOST}-{os.getpid()}-{_LIFE}-{next(_NUMBERS)}.{kind}")


def _exchange(part: Path, folder: Path) -> None:
    if not folder.exists():
        os.replace(part, folder)
        _reach_disk(folder.parent)
        return
    shutil.copymode(folder, part)
    old = _beside(folder, "old")
    os.replace(folder, old)
    try:
        os.replace(part, folder)
    except BaseException:
        with suppress(OSError):
            os.replace(old, folder)
        raise
    _reach_disk(folder.parent)
    _remove(old)


def _reach_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlive a power cut."""
    if path.is_dir():
        if os.name != "posix":
            return  # Windows opens no folders, and needs none opened
        with suppress(OSError):  # some network folders cannot be asked
            _sync(path)
    else:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


@functools.cache
def _tidy_once(folder: Path) -> None:
    """A process looks at a folder once: looking costs more than a small file does, where there are many."""
    tidy(folder)


def _is_left_behind(path: Path, named: re.Match[str]) -> bool:
    if named["host"] != _HOST or os.name != "posix":
        return time.time() - path.lstat().st_mtime > DAY
    if int(named["pid"]) == os.getpid():
        return named["life"] != _LIFE
    try:
        os.kill(int(named["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _put_right(path: Path, named: re.Match[str]) -> None:
    place = path.with_name(named["name"])
    if named["kind"] == "old" and not place.exists():
        os.rename(path, place)
    else:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
