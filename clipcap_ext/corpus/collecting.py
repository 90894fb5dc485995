"""From annotation rows to a Corpus: captions gathered by image, images looked for on disk; it knows no file
format."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from clipcap_ext.corpus.examples import Corpus, Example, Problem
from clipcap_ext.errors import CorpusError, printable
from clipcap_ext.foreign_json import ForeignJsonError, parse_json

LONGEST_LINE = 1 << 20  # bytes of a row: a caption is a sentence
MOST_JSON = 1 << 30  # bytes of an annotation file; COCO's largest has 90 million
MOST_UTF16 = 1 << 28  # bytes of a table in UTF-16, which is turned into UTF-8 at once
SPLIT_NAMES = {
    "dev": "val",
    "valid": "val",
    "validation": "val",
    "restval": "train",
}  # Karpathy trains on restval
IMAGE_FOLDERS = (
    "", "Images", "images", "Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k_images", "flickr30k-images",
    "train2014", "val2014", "test2014", "train2017", "val2017", "test2017",
)  # fmt: skip
SPLIT_FOLDERS = ("train", "val", "test", "validation")  # nocaps'; only below the data set's own folder
ANNOTATIONS = "annotations"
DOMAIN_NAMES = {"out-of-domain": "out-domain"}  # papers say the former, nocaps' files the latter


class ImageFinder:
    """Finds an image by the name its data set gives it, in the folders where data sets keep images."""

    def __init__(self, root: Path, images: Path | None = None) -> None:
        roots = [images] if images else [root, root.parent]
        own = images or (root.parent if root.name == ANNOTATIONS else root)
        self.folders = [folder / name if name else folder for folder in roots for name in IMAGE_FOLDERS]
        self.folders += [own / name for name in SPLIT_FOLDERS]
        self._names: dict[Path, frozenset[str]] = {}

    def find(self, name: str) -> Path | None:
        """The file, or None. Folders are listed once, so this costs no system call for a plain name."""
        for folder in self.folders:
            if "/" in name or "\\" in name:
                path = folder / name.replace("\\", "/")
                if os.path.isfile(path):  # unlike Path's, no error for a name that no file can have
                    return path
            elif name in self._listing(folder):
                return folder / name
        return None

    def _listing(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            names = os.listdir(folder) if folder.is_dir() else []
            self._names[folder] = frozenset(names)
        return self._names[folder]


@dataclass
class Collector:
    """Takes a data set's rows one by one; nothing that is wrong with one of them stops the others."""

    finder: ImageFinder
    splits: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    captions: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, image: object, caption: object, where: str, split: object = None) -> None:
        """One caption of one image; `where` names the row should it be of no use."""
        if not isinstance(image, str) or not image:
            return self.complain(where, "names no image.")
        if not isinstance(caption, str) or not caption.strip():
            return self.complain(where, f"the caption of {image} is empty.")
        self.captions.setdefault(image, []).append(caption.strip())
        if isinstance(split, str) and split:
            self.splits[image] = SPLIT_NAMES.get(split, split)

    def describe(self, image: object, number: object = None, domain: object = None) -> None:
        """What else the data set says of an image: its own number, its domain; what is of no use is passed
        over."""
        if isinstance(image, str):
            if isinstance(number, int) and not isinstance(number, bool):
                self.numbers[image] = number
            if isinstance(domain, str) and domain:
                self.domains[image] = DOMAIN_NAMES.get(domain, domain)

    def complain(self, where: str, reason: str) -> None:
        """Note what is left out."""
        self.problems.append(Problem(printable(where), printable(reason)))

    def corpus(self, name: str, pictures: bool = True) -> Corpus:
        """All images that have a caption and a file; the rest become problems, one an image. Without
        `pictures` a file need not be there."""
        examples: list[Example] = []
        for image, captions in self.captions.items():
            path = self.finder.find(image) or (None if pictures else self.finder.folders[0] / image)
            if path is None:
                self.complain(image, f"no such image file ({len(captions)} captions left out).")
            else:
                told = self.splits.get(image), self.numbers.get(image), self.domains.get(image)
                examples.append(Example(image, path, tuple(captions), *told))
        return Corpus(name, tuple(examples), tuple(self.problems))


def text_lines(path: Path, collector: Collector) -> Iterator[tuple[str, str]]:
    """The lines of a UTF-8 file (plain or .gz) as (where, text), empty ones passed over, broken ones
    complained of."""
    try:
        for number, raw in enumerate(_raw_lines(path), 1):
            where = f"{path.name}:{number}"
            if len(raw) > LONGEST_LINE:
                collector.complain(where, f"is longer than {LONGEST_LINE} bytes, and no caption is.")
                continue
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                collector.complain(where, f"not UTF-8 text ({error.reason} at byte {error.start}).")
                continue
            if text.strip():
                yield where, text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        collector.complain(path.name, f"is damaged ({error}); what comes after it is lost.")


def _raw_lines(path: Path) -> Iterator[bytes]:
    """The lines as UTF-8, one in memory at a time, and of an endless one only its beginning.

    Old Macs ended a line with a carriage return alone, so that ends one, too.
    """
    with _open(path) as stream:
        while line := stream.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                    pass  # the rest of it
                yield line
            else:
                yield from line.splitlines() or [b""]


def table_stream(path: Path) -> IO[str]:
    """A table's text (UTF-8 or UTF-16, .gz unpacked) for the csv module; bytes that are no text become
    U+FFFD."""
    return io.TextIOWrapper(_open(path), encoding="utf-8-sig", errors="replace", newline="")


def first_line(path: Path) -> str:
    """The beginning of a text file's first line, to tell its form by; never fails on what is no text."""
    with _open(path) as stream:
        line = (stream.readline(4096).splitlines() or [b""])[0]  # as text_lines ends one
    return line.decode("utf-8-sig", errors="replace").strip()


def read_json(path: Path) -> Any:
    """A JSON file's content; CorpusError if it is not JSON."""
    try:
        with _open(path) as stream:
            return parse_json(stream.read(MOST_JSON + 1), MOST_JSON)
    except (OSError, EOFError, zlib.error, ForeignJsonError) as error:
        raise CorpusError(f"{path} is not valid JSON: {error}") from error


def existing_files(paths: Iterable[Path]) -> list[Path]:
    """Those that are files."""
    return [path for path in paths if path.is_file()]


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader | io.BytesIO:
    """The bytes of a text file: a .gz unpacked, UTF-16, which begins with a mark, turned into UTF-8."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        marked = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if marked:
            stream.seek(0)
            content = stream.read(MOST_UTF16 + 1)
            if len(content) > MOST_UTF16:
                raise CorpusError(f"{path} is UTF-16 and above {MOST_UTF16 // 2**20} MB: save it as UTF-8.")
            return io.BytesIO(content.decode("utf-16", errors="replace").encode())
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
