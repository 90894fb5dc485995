"""One training at a time in a folder, and processes that were started together and do not see each other; it
trains nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.lock import try_lock

LOCK_FILE = ".lock"
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
TOGETHER = (
    "Several processes of one training are started by torchrun --nproc-per-node N -m clipcap_ext.train ..., "
    "or by accelerate launch as docs/training.md prints it."
)


def started_together(environ: Mapping[str, str] = os.environ) -> int:
    """How many processes a launcher says that there are; 1 where none says anything."""
    said = [environ[name] for name in SIZES if environ.get(name, "").isdigit()]
    return max(map(int, said), default=1)


def check_seen(seen: int, started: int) -> None:
    """UsageError where a process sees fewer than were started: each would train alone, into one folder."""
    if seen < started:
        raise UsageError(
            f"{started} processes were started, and this one sees {seen}: each would train by itself into "
            f"the same folder. {TOGETHER}"
        )


class Alone:
    """Holds a run's folder for this process until it is closed or the process ends."""

    def __init__(self, out: Path, begun_by: str) -> None:
        """begun_by: the file that a run writes first; where it comes while nothing is held, another began
        there."""
        self._out, self._mark = out, out / begun_by
        self._handle: int | None = None
        self._there = self._mark.exists()

    def take(self) -> None:
        """Take the folder, which is made if need be; UsageError if another training is at work in it."""
        if self._handle is not None:
            return
        self._out.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._out / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(handle) or self._mark.exists() != self._there:
            os.close(handle)
            raise UsageError(
                f"Another training writes into {self._out}: give each a folder of its own. {TOGETHER}"
            )
        self._handle = handle

    def close(self) -> None:
        """Let go of it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
