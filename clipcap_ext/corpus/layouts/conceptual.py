"""The layout `conceptual`: Conceptual Captions' tables `caption<TAB>address` and the pictures fetched from
there; it fetches none."""

from __future__ import annotations

import re
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, first_line, text_lines
from clipcap_ext.corpus.examples import Problem
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.parts.tsv_parts import TsvPart, tsv_parts
from clipcap_ext.errors import CorpusError

ROW = re.compile(r"[^\t]+\t(https?://\S+|url)\s*", re.IGNORECASE)
OWN_FOLDERS = {  # split -> what its pictures' folder is called, where it has one of its own
    "train": ("train", "training"), "val": ("validation", "val"), "test": ("test",),
}  # fmt: skip


def find(place: Path) -> list[Path]:
    """The tables of a folder, or the file itself, if their first line is a caption and an address."""
    candidates = [place] if place.is_file() else sorted(place.glob("*.tsv"))
    return [path for path in candidates if path.suffix == ".tsv" and ROW.fullmatch(first_line(path))]


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector, each under its picture's name, its number the row (from 0); the file's name
    says the split. Where no picture is to be found at all, the row's number is the name.

    Raises CorpusError where one folder's pictures, called by their rows, might be of several tables.
    """
    taken: dict[Path, Path] = {}
    for path in files:
        split = split_of(path.name)
        folders = _folders(path, split, collector)
        parts = _parts(path, folders)
        if parts:
            _check_own(path, parts[0], taken)
            _with_pictures(path, parts, collector, split)
        else:
            _without_pictures(path, collector, split)


def split_of(name: str) -> str | None:
    """What a table's file name says of its rows: Google's say Train_ and Validation_."""
    return next((split for split in OWN_FOLDERS if split in Path(name).stem.lower()), None)


def _folders(path: Path, split: str | None, collector: Collector) -> dict[Path, str]:
    """Where a table's pictures may be, the likeliest place first, each with what stands in front of their
    names; never the folder of another split."""
    base = collector.finder.folders[0]
    own = [path.stem, *OWN_FOLDERS.get(split or "", ())]
    others = {name for names in OWN_FOLDERS.values() for name in names}
    found = {base / name: f"{name}/" for name in own}
    for folder in collector.finder.folders:
        if folder.name not in others or folder == base:
            found.setdefault(folder, "")
    return {folder: before for folder, before in found.items() if folder.is_dir()}


def _parts(path: Path, folders: dict[Path, str]) -> list[tuple[TsvPart, str]]:
    """The table with the first folder that holds its pictures under a usual name; none if no folder does."""
    for folder, before in folders.items():
        try:
            return [(part, before) for part in tsv_parts(path, folder)]
        except CorpusError:
            continue
    return []


def _check_own(path: Path, found: tuple[TsvPart, str], taken: dict[Path, Path]) -> None:
    """Two tables may share a folder only if its pictures are called by their addresses."""
    part, _ = found
    if "{row" not in part.image_name or "{crc32}" in part.image_name:
        return
    if part.images in taken:
        raise CorpusError(
            f"The pictures in {part.images} are called by their rows, so nobody knows whether one is of "
            f"{taken[part.images].name} or of {path.name}: put each table's into a folder of its own, "
            "train/ and validation/."
        )
    taken[part.images] = path


def _with_pictures(
    path: Path, parts: list[tuple[TsvPart, str]], collector: Collector, split: str | None
) -> None:
    for part, before in parts:
        for row, sample in enumerate(part.read(), part.first):
            if isinstance(sample, Problem):
                collector.complain(sample.where, sample.reason)
                continue
            name = before + Path(str(sample.image)).name
            collector.describe(name, row)
            collector.add(name, sample.captions[0], f"{path.name} row {row}", split)


def _without_pictures(path: Path, collector: Collector, split: str | None) -> None:
    lines = (line for line in text_lines(path, collector) if not line[1].lower().rstrip().endswith("\turl"))
    for row, (where, line) in enumerate(lines):
        collector.describe(str(row), row)
        collector.add(str(row), line.partition("\t")[0], where, split)


CONCEPTUAL = Layout("conceptual", "*.tsv of captions and addresses, and a folder of pictures", find, read)
