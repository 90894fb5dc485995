"""A folder's own record of what was written over what: it lets a run go on after an interruption and be
undone.

One JSON object a line, appended and flushed to the disk before the caption file it speaks of is touched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.batch.sidecar import read_sidecar
from clipcap_ext.errors import CaptionError
from clipcap_ext.files import write_whole

JOURNAL_FILE = ".clipcap-journal.jsonl"


@dataclass(frozen=True)
class Write:
    """One caption file that a run wrote: its path in the folder, the text before (None: no file) and
    after."""

    sidecar: str
    old: str | None
    new: str


class Journal:
    """The journal of one folder; opening it reads what is there and writes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_FILE
        self._settings: Mapping[str, Any] | None = None
        self._writes: list[Write] = []
        self._open_run = False
        self._torn = False  # a crash cut the last line short
        for line in self._lines():
            self._take(line)

    def unfinished(self, settings: Mapping[str, Any]) -> dict[str, Write]:
        """What an interrupted run with just these settings wrote, by caption file; empty if there is none."""
        if not self._open_run or self._settings != _plain(settings):
            return {}
        return {write.sidecar: write for write in self._writes}

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Start a run, or go on with an interrupted one that had the same settings."""
        if not (self._open_run and self._settings == _plain(settings)):
            self._append({"begin": _plain(settings)})

    def record(self, write: Write) -> None:
        """Note a write that is about to happen."""
        self._append({"write": write.sidecar, "old": write.old, "new": write.new})

    def finish(self) -> None:
        """Close the run: the next one starts anew."""
        self._append({"finish": True})

    @property
    def can_undo(self) -> bool:
        """Whether the last run wrote anything that was not undone yet."""
        return bool(self._writes)

    def undo(self) -> tuple[int, list[str]]:
        """Put back what the last run replaced. Returns how many files, and those left alone as changed
        since."""
        restored, changed = 0, []
        for write in reversed(self._writes):
            path = self.folder / write.sidecar
            if read_sidecar(path) != write.new:
                changed.append(write.sidecar)
                continue
            if write.old is None:
                path.unlink()
            else:
                write_whole(path, write.old)
            restored += 1
        self._append({"undo": True})
        return restored, changed

    def _take(self, line: Mapping[str, Any]) -> None:
        if "begin" in line:
            self._settings, self._writes, self._open_run = line["begin"], [], True
        elif "write" in line:
            self._writes.append(Write(line["write"], line["old"], line["new"]))
        elif "finish" in line:
            self._open_run = False
        elif "undo" in line:
            self._writes, self._open_run = [], False

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise CaptionError(f"{self.path} cannot be read: {error}. Move it away to start anew.") from error
        self._torn = bool(text) and not text.endswith("\n")
        lines = []
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:  # cut short by a crash: what it spoke of did not happen
                continue
        return lines

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with open(self.path, "a", encoding="utf-8", newline="") as stream:
                stream.write(("\n" if self._torn else "") + json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            self._torn = False
        except OSError as error:
            raise CaptionError(f"Cannot write in {self.folder}: {error.strerror or error}.") from error
        self._take(line)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they come back from JSON."""
    return json.loads(json.dumps(settings))
