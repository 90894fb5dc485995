"""Where models are kept when no WebUI says; a path, and nothing is made there."""

from __future__ import annotations

import os
from pathlib import Path


def default_models_dir() -> Path:
    """CLIPCAP_MODELS, else clipcap-ext/models in the user's cache folder."""
    named = os.environ.get("CLIPCAP_MODELS")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(cache) / "clipcap-ext" / "models"


BUNDLED = Path(__file__).resolve().parents[2] / "bundled"
