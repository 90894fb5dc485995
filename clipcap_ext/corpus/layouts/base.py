"""What every layout offers the reader; not a layout itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector


@dataclass(frozen=True)
class Layout:
    """One way data sets lie on disk.

    find: a folder, or one annotation file -> the annotation files of this layout there, none if it is
    another's.
    read: those files, and the root they were found under -> rows into a collector.
    """

    name: str
    looks_for: str
    find: Callable[[Path], list[Path]]
    read: Callable[[list[Path], Path, Collector], None]
