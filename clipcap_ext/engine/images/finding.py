"""Which files are pictures: folders walked in natural order; it opens none of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from clipcap_ext.engine.images.pasted import expand_wildcards, pasted_path

# What engine/images/formats.py can read, some of it once a plugin is there.
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx",
    ".ico", ".icns",
    ".qoi", ".psd", ".pcx", ".dds", ".sgi", ".avif", ".heic", ".heif", ".hif", ".jxl",
})  # fmt: skip


def find_images(
    paths: Iterable[str | os.PathLike[str]], recursive: bool = True, *, stay: bool = False
) -> list[Path]:
    """The pictures that `paths` (files and folders, as people paste them) name, each once, in the order given
    and naturally sorted inside.

    A path that is no folder is kept whatever it is, and so is a folder that may not be read: opening it says
    what is wrong. Inside folders the suffix decides, names that begin with a dot are passed over, and each
    real folder is entered once, so that links in a circle end. stay: a folder that a link puts outside of the
    given one is kept instead of entered.
    """
    pictures: dict[Path, None] = {}
    for given in paths:
        for path in sorted(expand_wildcards(pasted_path(given)), key=lambda path: natural_key(str(path))):
            walk = _Walk(recursive, os.path.realpath(path) if stay else None)
            pictures.update(dict.fromkeys(walk(path) if os.path.isdir(path) else [path]))
    return list(pictures)


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key by which img2 comes before img10 and upper and lower case stand together; a total order."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], name


class _Walk:
    """One way through a folder; `within`: the real folder that is not left, None if it may be."""

    def __init__(self, recursive: bool, within: str | None) -> None:
        self.recursive, self.within = recursive, within
        self.seen: set[tuple[int, int]] = set()

    def __call__(self, folder: Path) -> Iterator[Path]:
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError:
            yield folder
            return
        if (status.st_dev, status.st_ino) in self.seen:
            return
        self.seen.add((status.st_dev, status.st_ino))
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        for entry in visible:
            if _looks_like_picture(entry):
                yield folder / entry.name
        for entry in visible:
            if self.recursive and _is_folder(entry):
                yield from self(folder / entry.name) if self._stays(entry) else [folder / entry.name]

    def _stays(self, entry: os.DirEntry[str]) -> bool:
        return self.within is None or Path(os.path.realpath(entry.path)).is_relative_to(self.within)


def _looks_like_picture(entry: os.DirEntry[str]) -> bool:
    """By its suffix; a link to nowhere, to itself or into a locked folder counts (its error will name it),
    pipes and devices do not."""
    if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:
        return False
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except PermissionError:  # a link into a locked folder: entering it names it
        return True
    except OSError:
        return False
