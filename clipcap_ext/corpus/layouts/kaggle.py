"""The layout `kaggle`: a table with a header that names an image and a caption column, one caption a row."""

from __future__ import annotations

import csv
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, existing_files, first_line, text_lines
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.layouts.flickr_lists import official_splits

NAMES = ("captions.txt", "captions.csv", "captions.csv.gz", "captions.tsv", "results.csv")
DELIMITERS = "|\t;,"  # the first of them that a header holds
IMAGE_COLUMNS, CAPTION_COLUMNS = (
    ("image", "image_name", "file_name", "filename"),
    ("caption", "comment", "text"),
)


def find(place: Path) -> list[Path]:
    """The first table whose header names an image and a caption column, between commas, semicolons, tabs
    or bars."""
    candidates = [place] if place.is_file() else existing_files(place / name for name in NAMES)
    return [path for path in candidates if _columns(first_line(path))][:1]


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector; the splits come from a `split` column or from the official lists beside the
    table."""
    collector.splits.update(official_splits(root))
    for path in files:
        lines = text_lines(path, collector)
        _, header = next(lines, ("", ""))
        columns = _columns(header)
        if columns is None:  # the line that named them is no text, and was complained of
            collector.complain(path.name, "has no header that names an image and a caption column.")
            continue
        delimiter, (image, caption, split) = _delimiter(header), columns
        width = len(header.split(delimiter))
        for where, line in lines:
            cells = _cells(line, delimiter, width)
            if len(cells) < width:
                collector.complain(where, f"has {len(cells)} columns instead of {width}: {line[:60]!r}.")
                continue
            collector.add(cells[image], cells[caption], where, cells[split] if split is not None else None)


def _delimiter(header: str) -> str:
    return next((delimiter for delimiter in DELIMITERS if delimiter in header), ",")


def _columns(header: str) -> tuple[int, int, int | None] | None:
    """Where the image, the caption and (if there is one) the split stand; None for another kind of file."""
    names = [name.strip().lower() for name in header.split(_delimiter(header))]
    image = next((names.index(name) for name in IMAGE_COLUMNS if name in names), None)
    caption = next((names.index(name) for name in CAPTION_COLUMNS if name in names), None)
    if image is None or caption is None:
        return None
    return image, caption, names.index("split") if "split" in names else None


def _cells(line: str, delimiter: str, width: int) -> list[str]:
    """One row's cells, `width` at most: a stray delimiter or quote stays in the last of them."""
    if '"' in line and delimiter != "|":
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True))
            if len(cells) == width:
                return [cell.strip() for cell in cells]
        except csv.Error:
            pass
    return [cell.strip() for cell in line.split(delimiter, width - 1)]


KAGGLE = Layout("kaggle", f"{', '.join(NAMES)} with the columns image and caption", find, read)
