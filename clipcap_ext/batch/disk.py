"""The only three ways in which folder runs change a disk, and the wait for it; a test can take its place and
fail at any of them."""

from __future__ import annotations

import os
from pathlib import Path

from clipcap_ext.files import settle, write_whole


class Disk:
    """This machine's. Each method is done, or raises OSError."""

    def write(self, path: Path, content: bytes) -> None:
        """Make `path` hold just this; whatever happens, it holds its old or its whole new content: the new
        one for certain once its folder is settled."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, settled=False)

    def settle(self, folder: Path) -> None:
        """Wait until what was written in a folder would outlive a power cut."""
        settle(folder)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink()

    def append(self, handle: int, line: bytes) -> None:
        """Add a line to an open file, and wait until it would outlive a power cut."""
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)


DISK = Disk()
