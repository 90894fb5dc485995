"""From annotation rows to a Corpus: captions gathered by image, images looked for on disk; it knows no file
format."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from clipcap_ext.corpus.examples import Corpus, Example, Problem
from clipcap_ext.errors import CorpusError

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


class ImageFinder:
    """Finds an image by the name its data set gives it, in the folders where data sets keep images."""

    def __init__(self, root: Path, images: Path | None = None) -> None:
        roots = [images] if images else [root, root.parent]
        self.folders = [folder / name if name else folder for folder in roots for name in IMAGE_FOLDERS]
        self._names: dict[Path, frozenset[str]] = {}

    def find(self, name: str) -> Path | None:
        """The file, or None. Folders are listed once, so this costs no system call for a plain name."""
        for folder in self.folders:
            if "/" in name or "\\" in name:
                path = folder / name.replace("\\", "/")
                if path.is_file():
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
    captions: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, image: str, caption: object, where: str, split: str | None = None) -> None:
        """One caption of one image; `where` names the row should it be of no use."""
        if not image:
            return self.complain(where, "names no image.")
        if not isinstance(caption, str) or not caption.strip():
            return self.complain(where, f"the caption of {image} is empty.")
        self.captions.setdefault(image, []).append(caption.strip())
        if split:
            self.splits[image] = SPLIT_NAMES.get(split, split)

    def complain(self, where: str, reason: str) -> None:
        """Note what is left out."""
        self.problems.append(Problem(where, reason))

    def corpus(self, name: str) -> Corpus:
        """All images that have a caption and a file; the rest become problems, one an image."""
        examples: list[Example] = []
        for image, captions in self.captions.items():
            path = self.finder.find(image)
            if path is None:
                self.complain(image, f"no such image file ({len(captions)} captions left out).")
            else:
                examples.append(Example(image, path, tuple(captions), self.splits.get(image)))
        return Corpus(name, tuple(examples), tuple(self.problems))


def text_lines(path: Path, collector: Collector) -> Iterator[tuple[str, str]]:
    """The lines of a UTF-8 file (plain or .gz) as (where, text), empty ones passed over, broken ones
    complained of."""
    with _open(path) as stream:
        lines = stream.read().splitlines()
    for number, raw in enumerate(lines, 1):
        where = f"{path.name}:{number}"
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            collector.complain(where, f"not UTF-8 text ({error.reason} at byte {error.start}).")
            continue
        if text.strip():
            yield where, text


def first_line(path: Path) -> str:
    """The beginning of a text file's first line, to tell its form by; never fails on what is no text."""
    with _open(path) as stream:
        return stream.readline(4096).decode("utf-8-sig", errors="replace").strip()


def read_json(path: Path) -> Any:
    """A JSON file's content; CorpusError if it is not JSON."""
    try:
        with _open(path) as stream:
            return json.loads(stream.read().decode("utf-8-sig"))
    except ValueError as error:
        raise CorpusError(f"{path} is not valid JSON: {error}") from error


def existing(paths: Iterable[Path]) -> list[Path]:
    """Those that are files."""
    return [path for path in paths if path.is_file()]


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
