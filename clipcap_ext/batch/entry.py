"""A line of a folder's journal: what it says, how it is written, and how a line of anybody's is judged.

A journal may have come with a downloaded folder or lost its end in a crash, so no line is believed for being
there: it has one of four shapes, names a caption file below the folder, or is refused with the reason.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from clipcap_ext.corpus.layouts.caption_files import FORMATS

Scalar = str | int | float | bool | None
MAX_LINE = 8 * 2**20  # bytes: two captions as long as a caption file may be, escaped


@dataclass(frozen=True)
class Owner:
    """Who began a run: the process's number, its machine, and when, as ISO 8601."""

    process: int = 0
    machine: str = ""
    since: str = ""


@dataclass(frozen=True)
class Begin:
    """A run begins. `settings` tells it from others."""

    settings: Mapping[str, Scalar] = field(default_factory=dict)
    owner: Owner = field(default_factory=Owner)


@dataclass(frozen=True)
class Write:
    """A caption file is about to be written: its path below the folder, its bytes before (None: no file) and
    after."""

    sidecar: str
    old: bytes | None
    new: bytes


@dataclass(frozen=True)
class Finish:
    """The run, and interrupted ones before it with the same settings, have nothing left to do."""


@dataclass(frozen=True)
class Undo:
    """The last run was undone, except for `kept` caption files that were edited since."""

    kept: int = 0


Entry = Begin | Write | Finish | Undo


def line_of(entry: Entry) -> bytes:
    """The entry as one line of ASCII, whatever letters it holds, with its end."""
    if isinstance(entry, Begin):
        fields: dict[str, Any] = {"begin": dict(entry.settings), **vars(entry.owner)}
    elif isinstance(entry, Write):
        fields = {"write": entry.sidecar, "old": _said(entry.old), "new": _said(entry.new)}
    else:
        fields = {"finish": True} if isinstance(entry, Finish) else {"undo": True, "kept": entry.kept}
    return json.dumps(fields).encode("ascii") + b"\n"


def entry_of(line: bytes) -> Entry:
    """What a line says; ValueError with the reason if it is none of ours."""
    if len(line) > MAX_LINE:
        raise ValueError("it is too long")
    try:  # no parse_json: names that are not UTF-8 come as lone surrogates, and have to stay
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is cut short or no JSON") from error
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")
    if "begin" in fields:
        return Begin(_settings(fields["begin"]), _owner(fields))
    if "write" in fields:
        old = fields.get("old")
        return Write(_name(fields["write"]), None if old is None else _bytes(old), _bytes(fields.get("new")))
    if fields.get("finish") is True:
        return Finish()
    if fields.get("undo") is True:
        return Undo(max(0, _whole(fields.get("kept"))))
    raise ValueError("it speaks of nothing known")


def _said(content: bytes | None) -> str | dict[str, str] | None:
    if content is None:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _bytes(value: object) -> bytes:
    """`_said` turned back."""
    try:
        if isinstance(value, str):
            return value.encode("utf-8")
        if isinstance(value, dict) and isinstance(value.get("base64"), str):
            return base64.b64decode(value["base64"], validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("its text is damaged") from error
    raise ValueError("it holds no text")


def _name(value: object) -> str:
    """A caption file below the folder, by this system's idea of a path."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("it names no file")
    path = PurePath(value)
    if path.is_absolute() or path.drive or path.root or ".." in path.parts:
        raise ValueError(f"it names {value!r}, which lies outside the folder")
    if path.suffix not in FORMATS:
        raise ValueError(f"it names {value!r}, which is no caption file")
    return value


def _settings(value: object) -> dict[str, Scalar]:
    if not isinstance(value, dict) or not all(isinstance(setting, Scalar) for setting in value.values()):
        raise ValueError("its settings are none")
    return value


def _owner(fields: Mapping[str, Any]) -> Owner:
    machine, since = fields.get("machine"), fields.get("since")
    return Owner(
        _whole(fields.get("process")),
        machine if isinstance(machine, str) else "",
        since if isinstance(since, str) else "",
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
