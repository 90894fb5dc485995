"""Files deleted inside one folder, never through a link; which files those are is decided elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from clipcap_ext.errors import CheckpointError


def check_inside(root: Path, path: Path) -> None:
    """CheckpointError unless `path` lies below `root` and no link leads there; `root` may be one itself."""
    real = os.path.realpath(path)
    if not path.is_relative_to(root) or real != os.path.join(os.path.realpath(root), path.relative_to(root)):
        raise CheckpointError(
            f"{path} is reached through a link, to {real}, so nothing is removed. Remove the link by hand, "
            "and what it leads to if you want that gone."
        )


def delete_files(root: Path, files: Iterable[Path]) -> int:
    """Delete files below `root`, each looked at once more, and the folders that this leaves empty; bytes
    freed."""
    freed, folders = 0, set()
    for path in files:
        check_inside(root, path)
        folders |= {root / folder for folder in path.relative_to(root).parents if folder != Path()}
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        freed += size
    for folder in sorted(folders, reverse=True):  # what is deepest comes first
        try:
            folder.rmdir()
        except OSError:
            pass  # something else lies there
    return freed
