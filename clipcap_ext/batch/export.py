"""Captions of uploaded pictures as one file to take away: CSV, JSON lines, or a zip of .txt; it writes to
memory."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

FORMATS = ("zip", "csv", "jsonl")


@dataclass(frozen=True)
class ExportRow:
    """A picture's file name and its caption, or the problem it had."""

    file_name: str
    text: str
    problem: str = ""


def export(rows: Sequence[ExportRow], format: str) -> tuple[str, bytes]:
    """(file name, content) in one of FORMATS; pictures that failed are named in the CSV and left out
    elsewhere."""
    makers = {"zip": _zip, "csv": _csv, "jsonl": _jsonl}
    names = {"zip": "captions.zip", "csv": "captions.csv", "jsonl": "metadata.jsonl"}
    return names[format], makers[format](rows)


def _csv(rows: Sequence[ExportRow]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(("file_name", "text", "problem"))
    writer.writerows((row.file_name, row.text, row.problem) for row in rows)
    return stream.getvalue().encode(
        "utf-8-sig"
    )  # without the mark, spreadsheets take UTF-8 for something else


def _jsonl(rows: Sequence[ExportRow]) -> bytes:
    """The form that Hugging Face's imagefolder reads beside the pictures."""
    lines = [{"file_name": row.file_name, "text": row.text} for row in rows if not row.problem]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def _zip(rows: Sequence[ExportRow]) -> bytes:
    stream = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in rows:
            if not row.problem:
                archive.writestr(_free_name(row.file_name, taken), row.text)
    return stream.getvalue()


def _free_name(file_name: str, taken: set[str]) -> str:
    """`dog.png` -> `dog.txt`; with a second dog of another kind, `dog.jpg.txt`; then numbered."""
    path = PurePath(PurePath(file_name).name)
    names = [
        f"{path.stem}.txt",
        f"{path.name}.txt",
        *(f"{path.stem}-{number}.txt" for number in range(2, 100_000)),
    ]
    name = next(name for name in names if name.lower() not in taken)
    taken.add(name.lower())
    return name
