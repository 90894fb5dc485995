"""The layout `conceptual`: Conceptual Captions' tables `caption<TAB>address` and the pictures fetched from
there; it fetches none."""

from __future__ import annotations

import re
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, first_line, text_lines
from clipcap_ext.corpus.examples import Problem
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.tsv_parts import TsvPart, tsv_parts
from clipcap_ext.errors import CorpusError

ROW = re.compile(r"[^\t]+\t(https?://\S+|url)\s*", re.IGNORECASE)


def find(place: Path) -> list[Path]:
    """The tables of a folder, or the file itself, if their first line is a caption and an address."""
    candidates = [place] if place.is_file() else sorted(place.glob("*.tsv"))
    return [path for path in candidates if path.suffix == ".tsv" and ROW.fullmatch(first_line(path))]


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector, each under its picture's name, its number the row (from 0); the file's name
    says the split. Where no picture is to be found at all, the row's number is the name."""
    for path in files:
        split = next((split for split in ("train", "val", "test") if split in path.stem.lower()), None)
        parts = _parts(path, collector)
        for part in parts:
            for row, sample in enumerate(part.read(), part.first):
                if isinstance(sample, Problem):
                    collector.complain(sample.where, sample.reason)
                    continue
                name = Path(str(sample.image)).name
                collector.describe(name, row)
                collector.add(name, sample.captions[0], f"{path.name} row {row}", split)
        if not parts:
            _without_pictures(path, collector, split)


def _parts(path: Path, collector: Collector) -> list[TsvPart]:
    """The table with the first folder that holds its pictures under a usual name; none if no folder does."""
    for folder in collector.finder.folders:
        if folder.is_dir():
            try:
                return tsv_parts(path, folder)
            except CorpusError:
                continue
    return []


def _without_pictures(path: Path, collector: Collector, split: str | None) -> None:
    lines = (line for line in text_lines(path, collector) if not line[1].lower().rstrip().endswith("\turl"))
    for row, (where, line) in enumerate(lines):
        collector.describe(str(row), row)
        collector.add(str(row), line.partition("\t")[0], where, split)


CONCEPTUAL = Layout("conceptual", "*.tsv of captions and addresses, and a folder of pictures", find, read)
