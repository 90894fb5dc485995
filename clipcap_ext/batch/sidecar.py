"""Caption files beside pictures: where they are, what they hold; it never opens a picture and writes
nothing."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from clipcap_ext.corpus.layouts.caption_files import FORMATS
from clipcap_ext.errors import CaptionError

MAX_BYTES = 2**20  # of a caption file
_SETTINGS = re.compile(r"^Steps: \d+, .*\b(Sampler|Seed|Size|Model|CFG scale): ", re.MULTILINE)


class NotACaption(CaptionError):
    """What stands in a caption file's place is none: a folder, a pipe, something large."""


def sidecar_of(image: Path, extension: str) -> Path:
    """`photos/dog.png` -> `photos/dog.txt`."""
    return image.with_suffix(extension)


def read_sidecar(path: Path) -> bytes | None:
    """A caption file's content to the byte, None where there is none; CaptionError if it may not be read,
    NotACaption if it is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise NotACaption(f"{path.name} is no file, so it is left alone.")
        with open(path, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CaptionError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    if len(content) > MAX_BYTES:
        raise NotACaption(f"{path.name} is above {MAX_BYTES // 2**20} MB, so it is no caption: left alone.")
    return content


def text_of(content: bytes | None, extension: str) -> str | None:
    """A caption file's text to the letter (line ends and a byte order mark stay); None if it is not of its
    form."""
    try:
        return None if content is None else FORMATS[extension].decode(content)
    except ValueError:
        return None


def content_of(text: str, extension: str) -> bytes:
    """What a caption file of that form holds for a text."""
    return FORMATS[extension].encode(text)


def real_place(sidecar: Path, root: Path) -> Path | None:
    """The file that a caption file's path leads to, links followed; None unless it is a caption file below
    `root`."""
    try:
        place, within = sidecar.resolve(), root.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None
    return place if place.is_relative_to(within) and place.suffix == sidecar.suffix else None


def is_infotext(text: str) -> bool:
    """Whether a text file holds a picture's generation parameters, as A1111 saves them, and no caption."""
    return _SETTINGS.search(text) is not None
