"""The layout `metadata`: Hugging Face's imagefolder, a row of file_name and text for each image or
caption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipcap_ext.corpus.collecting import Collector, existing_files
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.layouts.metadata_rows import READERS
from clipcap_ext.foreign_json import shown

NAMES = tuple(f"metadata{suffix}" for suffix in READERS)
SPLIT_FOLDERS = ("train", "validation", "valid", "val", "dev", "test")
CAPTION_KEYS = ("text", "caption", "captions", "texts")


def find(place: Path) -> list[Path]:
    """metadata.* in a folder or in its split folders (one form: the first of NAMES); or such a file
    itself."""
    if place.is_file():
        return [place] if place.suffix == ".jsonl" or place.name in NAMES else []
    folders = (place, *(place / split for split in SPLIT_FOLDERS))
    tables = (existing_files(folder / name for folder in folders) for name in NAMES)
    return next(filter(None, tables), [])


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector; the split is the row's own or the folder's. An image is called by its path
    from root."""
    for path in files:
        folder = path.parent.relative_to(root).as_posix()
        prefix = "" if folder == "." else f"{folder}/"
        for where, row in READERS[path.suffix](path, collector):
            captions = _captions(row)
            if captions is None:
                collector.complain(f"{prefix}{where}", f"has no file_name and text: {shown(row)}.")
                continue
            split = row.get("split") or (folder if folder in SPLIT_FOLDERS else None)
            for caption in captions:
                collector.add(f"{prefix}{row['file_name']}", caption, f"{prefix}{where}", split)


def _captions(row: Any) -> list[Any] | None:
    """What a row says of its image, None if it names no image or says nothing."""
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        return None
    captions = next((row[key] for key in CAPTION_KEYS if key in row), None)
    if captions is None:
        return None
    return captions if isinstance(captions, list) else [captions]


METADATA = Layout("metadata", f"{', '.join(NAMES)}, there or in train/, validation/ and test/", find, read)
