"""Where the Hugging Face cache keeps a file that some program fetched before; it only looks, and asks nobody.

The layout (models--owner--name/refs, snapshots) is the same in every version of huggingface_hub since 0.10.
"""

from __future__ import annotations

import os
from pathlib import Path

from clipcap_ext.engine.checkpoint.places import user_cache


def hub_cache() -> Path:
    """HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub: as huggingface_hub decides it."""
    home = os.environ.get("HF_HOME") or user_cache() / "huggingface"
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(named or Path(home) / "hub").expanduser()


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub, by the words that huggingface_hub takes for yes."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cached_file(repo: str, path: str, commit: str = "") -> Path | None:
    """A file of the repository at `commit`, or at whatever commit is there; None if the cache lacks it."""
    folder = hub_cache() / f"models--{repo.replace('/', '--')}"
    if not commit:
        commit = _main(folder)
    try:
        others = [] if commit else sorted(entry.name for entry in (folder / "snapshots").iterdir())
    except OSError:
        others = []
    for snapshot in filter(None, [commit, *others]):
        file = folder / "snapshots" / snapshot / path
        if file.is_file():
            return file
    return None


def _main(folder: Path) -> str:
    try:
        return (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
