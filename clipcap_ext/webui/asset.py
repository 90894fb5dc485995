"""Where the style sheet, the script and the words on screen are; they are read by whoever shows a page.

WebUIs read them at the top of the extension, so that is where they lie; a wheel has no such place and carries
copies (see setup.py).
"""

from __future__ import annotations

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
COPY = Path(__file__).resolve().parent / "assets"


def asset(name: str) -> Path:
    """The file or folder `style.css`, `javascript` or `localizations`."""
    return (COPY if COPY.is_dir() else TOP) / name
