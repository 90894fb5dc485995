"""The layout `metadata-jsonl`: Hugging Face's imagefolder, a row {"file_name", "text"} for each image or
caption."""

from __future__ import annotations

import json
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, existing, text_lines
from clipcap_ext.corpus.layouts.base import Layout

NAME = "metadata.jsonl"
SPLIT_FOLDERS = ("train", "validation", "valid", "val", "dev", "test")
CAPTION_KEYS = ("text", "caption", "captions", "texts")


def find(place: Path) -> list[Path]:
    """metadata.jsonl in a folder or in its split folders; or the file itself by its suffix."""
    if place.is_file():
        return [place] if place.suffix == ".jsonl" else []
    return existing(folder / NAME for folder in (place, *(place / split for split in SPLIT_FOLDERS)))


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector; the split is the row's own or the folder's. An image is called by its path
    from root."""
    for path in files:
        folder = path.parent.relative_to(root).as_posix()
        prefix = "" if folder == "." else f"{folder}/"
        for where, line in text_lines(path, collector):
            try:
                row = json.loads(line)
                name = row["file_name"]
                captions = next(row[key] for key in CAPTION_KEYS if key in row)
            except (ValueError, KeyError, TypeError, StopIteration):
                collector.complain(f"{prefix}{where}", f"has no file_name and text: {line[:60]!r}.")
                continue
            split = row.get("split") or (folder if folder in SPLIT_FOLDERS else None)
            for caption in captions if isinstance(captions, list) else [captions]:
                collector.add(f"{prefix}{name}", caption, f"{prefix}{where}", split)


METADATA_JSONL = Layout("metadata-jsonl", f"{NAME}, there or in train/, validation/ and test/", find, read)
