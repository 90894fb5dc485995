"""Captions of uploaded pictures as one file to take away: CSV, JSON lines, or a zip of .txt; it writes to
memory.

The pictures' names are the sender's: none of them becomes a path, a formula or the end of an export.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from clipcap_ext.batch.wording import writable
from clipcap_ext.corpus.cells import guard_cell

FORMATS = ("zip", "csv", "jsonl")
LONGEST = 120  # letters of a name in the zip, so that it can be unpacked anywhere
_NO_NAME = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')  # what Windows, or a zip, takes in no name
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


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
    sound = [ExportRow(_sound(row.file_name), _sound(row.text), _sound(row.problem)) for row in rows]
    return names[format], makers[format](sound)


def _sound(text: str) -> str:
    """`text` with U+FFFD for what no reader of the three formats would take."""
    return writable(text).replace("\0", "\ufffd")


def _csv(rows: Sequence[ExportRow]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(("file_name", "text", "problem"))
    writer.writerows(map(guard_cell, (row.file_name, row.text, row.problem)) for row in rows)
    # without the mark, spreadsheets take UTF-8 for something else
    return stream.getvalue().encode("utf-8-sig")


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
    path = PurePosixPath(_bare_name(file_name))
    first = (f"{path.stem}.txt", f"{path.name}.txt")
    numbered = (f"{path.stem}-{number}.txt" for number in itertools.count(2))
    name = next(name for name in itertools.chain(first, numbered) if name.lower() not in taken)
    taken.add(name.lower())
    return name


def _bare_name(file_name: str) -> str:
    """The last part of a path of any system, as a name that every system can unpack."""
    name = _NO_NAME.sub("_", re.split(r"[/\\]", file_name)[-1]).strip(" .")
    if _DEVICES.match(name):
        name = f"_{name}"
    stem, dot, kind = name.rpartition(".")
    return stem[:LONGEST] + dot + kind[:LONGEST] or "picture"
