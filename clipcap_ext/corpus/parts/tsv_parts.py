"""Conceptual Captions: a table `caption<TAB>url` and a folder of pictures already fetched from there; it
fetches none.

A table has millions of rows, so only the byte at which each part begins is kept in memory.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.corpus.examples import Problem, Sample
from clipcap_ext.errors import CorpusError, UsageError

ROWS = 10_000  # rows a part
NAMES = (
    "{row}",
    "{row:08d}",
    "{row:09d}",
    "{row}_{crc32}",
    "{md5}",
    "{sha1}",
    "{sha256}",
)  # tried in this order
SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")
PROBED = 1000  # rows looked at to find out how the pictures are called


@dataclass(frozen=True)
class TsvPart:
    """Rows `first` .. `first` + `rows` - 1 (from 0, the header not counted), which begin at byte `offset`."""

    path: Path
    images: Path
    image_name: str
    first: int
    rows: int
    offset: int
    stamp: str

    @property
    def name(self) -> str:
        """The table's name and the rows."""
        return f"{self.path.name}:{self.first}-{self.first + self.rows - 1}"

    def read(self) -> Iterator[Sample | Problem]:
        """A Sample for each row whose picture is there."""
        with self.path.open("rb") as table:
            table.seek(self.offset)
            for row in range(self.first, self.first + self.rows):
                yield self._sample(row, table.readline())

    def _sample(self, row: int, line: bytes) -> Sample | Problem:
        where = f"{self.path.name} row {row}"
        try:
            caption, url = _cells(line)
        except ValueError as error:
            return Problem(where, f"is no row `caption<TAB>url`: {error}", "broken row")
        if not caption:
            return Problem(where, "its caption is empty.", "no caption")
        name = image_name(self.image_name, row, url)
        path = find_picture(self.images, name)
        if path is None:
            return Problem(
                where, f"no picture {name} (or {name}.jpg, ...) in {self.images.name}.", "missing picture"
            )
        return Sample(str(row), path, (caption,))


def tsv_parts(path: Path, images: Path | None, template: str = "") -> list[TsvPart]:
    """The parts of a table. `template`: how its pictures are called, a format of row (from 0), line (from 1),
    and the digests md5, sha1, sha256 and crc32 of the url, the suffix left out or not; empty tries the usual
    ones.

    Raises UsageError without the folder or for a template that is none, CorpusError if no picture is found.
    """
    if images is None:
        raise UsageError(
            f"{path} has only addresses: --images names the folder of the pictures fetched from them."
        )
    if not images.is_dir():
        raise CorpusError(f"No folder of pictures at {images}.")
    starts, rows, begin = _index(path)
    template = template or _usual_name(path, images, begin)
    image_name(template, 0, "")
    stamp = str(path.stat().st_size)
    return [
        TsvPart(path, images, template, number * ROWS, min(ROWS, rows - number * ROWS), offset, stamp)
        for number, offset in enumerate(starts)
    ]


def image_name(template: str, row: int, url: str) -> str:
    """The name a template gives to the picture of a row; UsageError for a template with unknown words."""
    raw = url.encode()
    digests = {kind: hashlib.new(kind, raw).hexdigest() for kind in ("md5", "sha1", "sha256")}
    try:
        return template.format(row=row, line=row + 1, crc32=zlib.crc32(raw), **digests)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UsageError(
            f"--image-name {template!r}: {error!r}. It takes {{row}}, {{line}}, {{md5}}, {{sha1}}, "
            f"{{sha256}} and "
            "{crc32}, with a width as in {row:08d}."
        ) from error


def find_picture(folder: Path, name: str) -> Path | None:
    """The file of that name, with the suffix or without it."""
    return next(
        (path for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if path.is_file()), None
    )


def _index(path: Path) -> tuple[list[int], int, int]:
    """The bytes at which parts begin, the number of rows, and the byte of row 0."""
    starts: list[int] = []
    rows = begin = 0
    with path.open("rb") as table:
        offset = 0
        for line in table:
            if offset == 0 and line.strip().lower().endswith(b"\turl"):
                begin = len(line)  # a header
            else:
                if rows % ROWS == 0:
                    starts.append(offset)
                rows += 1
            offset += len(line)
    return starts, rows, begin


def _usual_name(path: Path, images: Path, begin: int) -> str:
    hits = dict.fromkeys(NAMES, 0)
    with path.open("rb") as table:
        table.seek(begin)
        for row, line in zip(range(PROBED), table, strict=False):
            try:
                _, url = _cells(line)
            except ValueError:
                continue
            for name in NAMES:
                hits[name] += find_picture(images, image_name(name, row, url)) is not None
    best = max(NAMES, key=lambda name: hits[name])
    if not hits[best]:
        raise CorpusError(
            f"No picture of the first {PROBED} rows of {path} is in {images} under a usual name "
            f"({', '.join(NAMES)}): --image-name says how they are called."
        )
    return best


def _cells(line: bytes) -> tuple[str, str]:
    caption, tab, url = line.decode("utf-8").rstrip("\r\n").partition("\t")
    if not tab or not url.strip() or "\t" in url:
        raise ValueError(f"{len(line.split(bytes([9])))} columns in {line[:60]!r}.")
    return caption.strip(), url.strip()
