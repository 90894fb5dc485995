"""Which files are pictures: folders walked in natural order; it opens none of them and takes no glob
patterns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

# What engine/images/formats.py can read, some of it once a plugin is there.
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx",
    ".ico", ".icns",
    ".qoi", ".psd", ".pcx", ".dds", ".sgi", ".avif", ".heic", ".heif", ".hif", ".jxl",
})  # fmt: skip


def find_images(paths: Iterable[str | os.PathLike[str]], recursive: bool = True) -> list[Path]:
    """The pictures that `paths` (files and folders) name, each once, in the order given and naturally sorted
    inside.

    A path that is no folder is kept whatever it is, and so is a folder that may not be read: opening it says
    what is wrong. Inside folders the suffix decides, names that begin with a dot are passed over, and each
    real folder is entered once, so that links in a circle end.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = named_path(given)
        found.update(dict.fromkeys(_walk(path, recursive, set()) if path.is_dir() else [path]))
    return list(found)


def named_path(text: str | os.PathLike[str]) -> Path:
    """The path a person meant: `~` expanded, and without the quotes that file managers put around a copied
    path."""
    name = os.fspath(text)
    if not os.path.lexists(name):
        stripped = name.strip().strip("\"'")
        name = stripped or name
    return Path(name).expanduser()


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key by which img2 comes before img10 and upper and lower case stand together; a total order."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], name


def _walk(folder: Path, recursive: bool, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
    except OSError:
        yield folder
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible:
        if _looks_like_picture(entry):
            yield folder / entry.name
    for entry in visible:
        if recursive and entry.is_dir():
            yield from _walk(folder / entry.name, recursive, seen)


def _looks_like_picture(entry: os.DirEntry[str]) -> bool:
    """By its suffix; a link to nowhere counts (its error will name it), pipes and devices do not."""
    if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:
        return False
    return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
