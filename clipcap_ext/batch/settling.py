"""Caption files written in groups: the disk is waited for once a folder and group, not once a file; it knows
no pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from clipcap_ext.batch.disk import Disk

TOGETHER = 64  # caption files
PATIENCE = 2.0  # seconds after which those written so far are waited for, however few


@dataclass
class Settling:
    """The caption files of one run or undo. Until they are settled a power cut may bring back old ones; the
    journal, which is on the disk before each, then tells the next run to write them again."""

    disk: Disk
    _folders: set[Path] = field(default_factory=set)
    _files: int = 0
    _since: float = 0.0

    def write(self, path: Path, content: bytes) -> None:
        """As Disk.write; waits for all so far where they are many, or the first was long ago."""
        self.disk.write(path, content)
        self._since = self._since if self._files else time.monotonic()
        self._folders.add(path.parent)
        self._files += 1
        if self._files >= TOGETHER or time.monotonic() - self._since >= PATIENCE:
            self.settle()

    def settle(self) -> None:
        """Wait for all so far: before the journal says that a run or an undo is over."""
        for folder in sorted(self._folders):
            self.disk.settle(folder)
        self._folders.clear()
        self._files = 0
