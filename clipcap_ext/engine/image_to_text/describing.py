"""What a folder as transformers saves it says of itself, told without torch and without transformers."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.hub_name import ORIGIN_FILE
from clipcap_ext.engine.image_to_text.families import Family, family_of
from clipcap_ext.engine.published.inspection import ORIGIN, read_origin
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT
from clipcap_ext.engine.published.state_file import read_state_file
from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import expect, read_json_file

PROCESSOR_FILE = "preprocessor_config.json"
WEIGHTS, SAFE, PICKLED = "model*.safetensors", "model.safetensors", "pytorch_model.bin"


def is_of_transformers(folder: Path) -> bool:
    """Whether the folder's config.json names a `model_type`, as transformers', and no `format`, as ours."""
    try:
        content = read_json_file(folder / CONFIG_FILE, CheckpointError)
    except CheckpointError:
        return False
    return isinstance(content, dict) and "model_type" in content and "format" not in content


def describe(folder: Path) -> CheckpointConfig:
    """The folder in our words: kind `transformers`, no CLIP, its architecture and how many weights it has.

    CheckpointError, with the reason, for what cannot be captioned with here: see `usable_family`.
    """
    family = usable_family(folder)
    weights = sum(_count(path) for path in sorted(folder.glob(WEIGHTS)))
    architecture = {"family": family.title, "class": family.model_class, "weights": weights}
    name = folder.resolve().name
    return CheckpointConfig(IMAGE_TO_TEXT, name, architecture, None, training=_origin(folder))


def usable_family(folder: Path) -> Family:
    """The family of a folder; CheckpointError for one that is not known, that the installed transformers
    lacks, whose weights are no safetensors, or that does not say how pictures are prepared."""
    family = check_config(folder / CONFIG_FILE, str(folder))
    if not any(folder.glob(WEIGHTS)):
        raise CheckpointError(f"{folder} holds no {SAFE}: other forms of weights are not read.{_how(folder)}")
    if not (folder / PROCESSOR_FILE).is_file():
        raise CheckpointError(
            f"{folder} holds no {PROCESSOR_FILE}, which says how pictures are prepared: copy it from where "
            "the model came from."
        )
    return family


def _how(folder: Path) -> str:
    """What to type where the weights are there in the older form."""
    if not (folder / PICKLED).is_file():
        return ""
    files = " ".join(shlex.quote(str(folder / name)) for name in (PICKLED, SAFE))
    return f" Make it of the other file, which is never run: python -m clipcap_ext convert {files}"


def check_config(file: Path, where: str) -> Family:
    """The family that a config.json from `where` names; CheckpointError for one that is not known, or that
    the installed transformers lacks."""
    content = read_json_file(file, CheckpointError)
    family = family_of(expect(content, dict, where, CheckpointError), where)
    _check_installed(family)
    return family


def _check_installed(family: Family) -> None:
    try:
        here = version("transformers")
    except PackageNotFoundError:
        raise CheckpointError(f"{family.title} needs transformers, which is not installed here.") from None
    if _numbers(here) < _numbers(family.since):
        raise CheckpointError(family.too_old(here))


def _origin(folder: Path) -> dict[str, Any]:
    """Where the folder was downloaded from, or what file it was converted from, as parts of `training`;
    nothing where nobody says."""
    file, converted = folder / ORIGIN_FILE, read_origin(folder)
    hub = {"hub": read_json_file(file, CheckpointError)} if file.is_file() else {}
    return {**hub, **({ORIGIN: dict(converted)} if converted else {})}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _count(file: Path) -> int:
    """How many weights a file holds, by its header."""
    return sum(spec.size for spec in read_state_file(file).tensors.values())
