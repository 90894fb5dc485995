"""A folder of this machine in its file manager's window, where there is a screen for it. No interface."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def window_command() -> list[str] | None:
    """What opens a folder that is named behind it; None on a machine without a screen or a file manager."""
    if sys.platform == "win32":
        return ["explorer"]
    if sys.platform == "darwin":
        return ["open"]
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opener = shutil.which("xdg-open")
    return [opener] if screen and opener else None


def open_window(folder: Path) -> bool:
    """Open it and wait for nothing; False where that cannot be done."""
    command = window_command()
    if command is None or not folder.is_dir():
        return False
    try:
        subprocess.Popen(
            [*command, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return False
    return True
