"""Captions in a file of any usual form, told by its content, as rows; it knows no image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.corpus.cells import plain_text
from clipcap_ext.corpus.collecting import first_line, table_stream
from clipcap_ext.errors import UsageError, printable
from clipcap_ext.files import MOST_JSON
from clipcap_ext.foreign_json import ForeignJsonError, parse_json

OPTION = "--hypotheses"
KEYS = ("image_id", "path", "file_name", "filename", "file", "image", "image_name", "id")
TEXTS = ("caption", "text", "comment")
FAILED = ("error", "problem")  # `caption --json` and the folder's table say why there is no caption
FORM = '[{"image_id": number or file name, "caption": text}, ...]'
FORMS = (
    f"COCO results as {FORM}, an object of captions by image, JSON lines as `caption --json` writes them, "
    "or a table with the columns image and caption"
)


@dataclass(frozen=True)
class Hypothesis:
    """A caption, and what its file calls the image: a number, a file name or a path."""

    key: int | str
    caption: str


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """The captions of a file, in its order; rows that only tell of an error are passed over.

    Read are COCO results (a list; ids or names), captions by image (an object, also pycocoevalcap's with
    lists of one, and results.json of this package), JSON lines, and tables (.csv, .tsv) with or, of two
    columns between tabs, without a header. UsageError for anything else.
    """
    try:
        first = first_line(path)
    except (OSError, EOFError) as error:
        raise UsageError(f"{OPTION} {path} cannot be read: {getattr(error, 'strerror', error)}.") from error
    if first[:1] not in ("[", "{"):
        return list(_table(path, first))
    content = path.read_bytes()
    try:
        value = parse_json(content, MOST_JSON)
    except ForeignJsonError as error:
        if first[:1] == "{" and b"\n" in content.strip():
            return list(_lines(path, content))
        raise UsageError(f"{OPTION} {path} is not JSON: {error}.") from error
    return list(_of_json(path, value))


def _of_json(path: Path, value: Any) -> Iterator[Hypothesis]:
    if isinstance(value, dict):
        if _key_name(value) is not None and _text_name(value) is not None:  # JSON lines, one of them
            return _rows(path, [value])
        inside = value.get("images") if isinstance(value.get("images"), dict) else value
        if not isinstance(value.get("annotations"), list):
            return _by_image(path, inside if isinstance(inside, dict) else value)
        value = value["annotations"]
    if not isinstance(value, list):
        raise UsageError(f"{OPTION} {path} holds {type(value).__name__}; taken are {FORMS}.")
    return _rows(path, value)


def _lines(path: Path, content: bytes) -> Iterator[Hypothesis]:
    rows = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                rows.append(parse_json(line))
            except ForeignJsonError as error:
                raise UsageError(f"{OPTION} {path}, line {number} is not JSON: {error}.") from error
    return _rows(path, rows)


def _rows(path: Path, rows: Iterable[Any]) -> Iterator[Hypothesis]:
    for number, row in enumerate(rows):
        if isinstance(row, dict) and any(row.get(name) for name in FAILED):
            continue  # a picture that could not be captioned
        key, text = (_key_name(row), _text_name(row)) if isinstance(row, dict) else (None, None)
        if key is None or text is None or not isinstance(row[text], str):
            raise UsageError(
                f"{OPTION} {path}, entry {number}: {printable(str(row))[:80]} is not of the form {FORM}."
            )
        yield Hypothesis(row[key], row[text])


def _by_image(path: Path, captions: Mapping[str, Any]) -> Iterator[Hypothesis]:
    """`{image: caption}`, where a caption may lie in a list of one or in an object."""
    for key, value in captions.items():
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        text = one.get("caption") if isinstance(one, dict) else one
        if not isinstance(text, str):
            raise UsageError(
                f"{OPTION} {path}: the entry {printable(key)[:40]!r} holds no single caption; taken are "
                f"{FORMS}."
            )
        yield Hypothesis(key, text)


def _table(path: Path, first: str) -> Iterator[Hypothesis]:
    """A table's rows; without a header it is what `caption` prints: a path, a tab, a caption."""
    delimiter = max("\t,;|", key=first.count)
    header = [name.strip().strip('"').lower() for name in first.split(delimiter)]
    has_header = bool({*header} & {*KEYS} and {*header} & {*TEXTS})
    if not has_header and (delimiter != "\t" or len(header) != 2):
        raise UsageError(f"{OPTION} {path} begins with {printable(first)[:60]!r}; taken are {FORMS}.")
    with table_stream(path) as stream:
        rows = csv.reader(
            stream, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if has_header else csv.QUOTE_NONE
        )
        try:
            if has_header:
                next(rows)
            names = header if has_header else [KEYS[0], TEXTS[0]]
            yield from _rows(path, (_cells(names, row) for row in rows if row))
        except csv.Error as error:
            raise UsageError(f"{OPTION} {path}, row {rows.line_num}: {error}.") from error


def _cells(names: list[str], row: list[str]) -> dict[str, str]:
    return {name: plain_text(cell.strip()) for name, cell in zip(names, row, strict=False)}


def _key_name(row: Mapping[str, Any]) -> str | None:
    """Which of a row's names holds the image: the first of KEYS with a number or a text."""
    return next(
        (name for name in KEYS if isinstance(row.get(name), (int, str)) and not isinstance(row[name], bool)),
        None,
    )


def _text_name(row: Mapping[str, Any]) -> str | None:
    return next((name for name in TEXTS if name in row), None)
