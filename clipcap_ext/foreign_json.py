"""JSON that comes from outside, judged once: its size, its depth, its text; what must be in it is the
reader's.

A lone half of a surrogate pair, as a cut emoji leaves it (`"\\ud83d"`), becomes U+FFFD: no file can hold it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from clipcap_ext.errors import CaptionError

MOST_BYTES = 64 * 2**20  # of a file that describes something; data sets have their own bound
MOST_DEPTH = 64  # tables and lists inside each other
Kind = TypeVar("Kind")


class ForeignJsonError(ValueError):
    """Why a text is not taken for JSON, in a few words."""


def parse_json(data: str | bytes, most_bytes: int = MOST_BYTES) -> Any:
    """The value of a JSON text (bytes as UTF-8, with or without its mark); ForeignJsonError if it is not
    taken."""
    if len(data) > most_bytes:
        raise ForeignJsonError(f"it has {len(data)} bytes, and {most_bytes} are the most that is read")
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        value = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ForeignJsonError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from error
    except RecursionError as error:
        raise ForeignJsonError("it is nested too deeply") from error
    except ValueError as error:  # Python's own words, and a number with more digits than it takes
        raise ForeignJsonError(str(error)) from error
    _check_depth(value)
    return _without_halves(value) if "\\ud" in text.lower() or not text.isascii() else value


def read_json_file(
    path: Path, error: type[CaptionError], what_to_do: str = "", most_bytes: int = MOST_BYTES
) -> Any:
    """What a JSON file holds; `error` names the file, what is wrong with it and `what_to_do`."""
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise ForeignJsonError(f"it has {size} bytes, and {most_bytes} are the most that is read")
        return parse_json(path.read_bytes(), most_bytes)
    except OSError as problem:
        raise error(
            f"{path} cannot be read: {problem.strerror or problem}. {what_to_do}".strip()
        ) from problem
    except ForeignJsonError as problem:
        raise error(f"{path} cannot be read as JSON: {problem}. {what_to_do}".strip()) from problem


def expect(
    value: Any, kind: type[Kind] | tuple[type[Kind], ...], where: str, error: type[CaptionError]
) -> Kind:
    """`value` if it is of `kind` (true and false are no numbers); else `error` says what was expected at
    `where`."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(WORDS.get(kind, kind.__name__) for kind in kinds)
        raise error(f"{where}: {wanted} was expected, not {shown(value)}.")
    return value


def shown(value: Any) -> str:
    """A foreign value in a message: short, on one line, printable."""
    if isinstance(value, (dict, list)):
        return WORDS[type(value)]
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


WORDS: Mapping[type, str] = {
    dict: "a table of keys", list: "a list", str: "a text", int: "a whole number", float: "a number",
    bool: "true or false", type(None): "null",
}  # fmt: skip


def _refuse_constant(name: str) -> None:
    raise ForeignJsonError(f"{name} is no JSON number")


def _check_depth(value: Any) -> None:
    """Without recursion of its own: 100,000 brackets are a small file."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for part in level
            if isinstance(part, (dict, list))
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise ForeignJsonError(f"it is nested more than {MOST_DEPTH} deep")


def _without_halves(value: Any) -> Any:
    """The same value, each lone surrogate replaced; its depth is known to be small."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_halves(part) for part in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(part) for key, part in value.items()}
    return value
