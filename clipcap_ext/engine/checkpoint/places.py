"""Which folders models are looked for in, and where what can be made again is kept; nothing is made there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def user_cache() -> Path:
    """XDG_CACHE_HOME, else ~/.cache: where all programs of this user keep what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_folder() -> Path:
    """clipcap-ext in the user's cache folder."""
    return user_cache() / "clipcap-ext"


def default_models_dir() -> Path:
    """CLIPCAP_MODELS, else clipcap-ext/models in the user's cache folder."""
    named = os.environ.get("CLIPCAP_MODELS")
    return Path(named).expanduser() if named else cache_folder() / "models"


def models_folders(named: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The models folders that count beside the bundled one, everywhere: those that a command line or a WebUI
    names, and where nobody names any the default."""
    return tuple(named) or (default_models_dir(),)


BUNDLED = Path(__file__).resolve().parents[2] / "bundled"
PHOTOS = Path(__file__).resolve().parents[2] / "examples"  # that come with the package, to show models by
