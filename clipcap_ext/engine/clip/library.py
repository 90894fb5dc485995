"""open_clip, which some hosts lack: asked for here, so that its absence is told with the line that mends it.
It imports nothing until it is asked."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

from clipcap_ext.errors import CaptionError

# what is imported -> what pip calls it; pip gets no leave to change what the host pins, so each is named
NEEDED = {
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "ftfy": "ftfy",
    "regex": "regex",
    "wcwidth": "wcwidth",
}
TIMM_FOR_OPEN_CLIP_3 = (1, 0, 17)


def import_open_clip() -> ModuleType:
    """The library; CaptionError with the command that installs it where it, or what it needs, is missing."""
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise CaptionError(f"{error.name} is not installed here: run {remedy()} and start again.") from error
    return open_clip


def remedy() -> str:
    """The command that installs what is missing of NEEDED, and nothing else."""
    fitting = {**NEEDED, "open_clip": f'"open_clip_torch>=2.20,<{_below()}"'}
    wanted = [package for name, package in fitting.items() if find_spec(name) is None]
    return f'"{sys.executable}" -m pip install --no-deps {" ".join(wanted)}'


def _below() -> int:
    """The first open_clip that asks for a newer timm than there is."""
    try:
        there = tuple(int(part) for part in version("timm").split(".")[:3] if part.isdigit())
    except PackageNotFoundError:
        return 4  # timm is installed along with it, in its newest version
    return 4 if there >= TIMM_FOR_OPEN_CLIP_3 else 3
