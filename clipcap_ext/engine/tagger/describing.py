"""What a tagger's folder says of itself, told without torch and without onnxruntime."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.hub_name import ORIGIN_FILE
from clipcap_ext.engine.published.published_models import TAGGER
from clipcap_ext.engine.tagger.tag_list import FILE, read_tags
from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import read_json_file

NETWORK = "model.onnx"
RUNTIME = "onnxruntime"
FAMILY = "Tagger"


def is_tagger(folder: Path) -> bool:
    """Whether a folder holds model.onnx, and tags beside it or nothing else that explains it."""
    if not (folder / NETWORK).is_file():
        return False
    return (folder / FILE).is_file() or not (folder / CONFIG_FILE).is_file()


def describe_tagger(folder: Path) -> CheckpointConfig:
    """The folder in our words: kind `tagger`, no CLIP, how many tags it knows and how many weights it has.

    CheckpointError, with the reason, for tags that cannot be read, and where onnxruntime is not installed.
    """
    tags = read_tags(folder)
    check_runtime(folder.name)
    weights = (folder / NETWORK).stat().st_size // 4  # nearly all of the file, four bytes each
    about = {"family": FAMILY, "tags": len(tags), "weights": weights}
    return CheckpointConfig(TAGGER, folder.resolve().name, about, None, training=_origin(folder))


def check_runtime(name: str) -> None:
    """CheckpointError, which says how to get it, where onnxruntime is missing."""
    if find_spec(RUNTIME) is None:
        python = shlex.quote(sys.executable or "python")
        raise CheckpointError(
            f"{name} is a tagger, which {RUNTIME} runs, and that is not installed here; it is never "
            f"installed unasked. To have it: {python} -m pip install {RUNTIME}"
        )


def _origin(folder: Path) -> dict[str, Any]:
    """Where the folder was downloaded from, as the Hub's part of `training`; nothing where nobody says."""
    file = folder / ORIGIN_FILE
    return {"hub": read_json_file(file, CheckpointError)} if file.is_file() else {}
