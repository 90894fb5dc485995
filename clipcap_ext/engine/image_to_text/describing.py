"""What a folder as transformers saves it says of itself, told without torch and without transformers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.hub_name import ORIGIN_FILE
from clipcap_ext.engine.image_to_text.families import FAMILIES, Family, family_of, version_numbers
from clipcap_ext.engine.published.inspection import ORIGIN, read_origin
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT, PublishedModel
from clipcap_ext.engine.published.state_file import read_state_file
from clipcap_ext.errors import CheckpointError, UsageError, first_of
from clipcap_ext.foreign_json import expect, read_json_file

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")  # transformers 5 writes the other
GENERATION_FILE = "generation_config.json"
CHAT_FILES = ("chat_template.jinja", "chat_template.json")
TOKENIZER_FILE = "tokenizer_config.json"
SAFE, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
OWN_DECODING = ("num_beams", "no_repeat_ngram_size", "repetition_penalty")


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
    weights = sum(_count(path) for path in weight_files(folder))
    architecture = {"family": family.title, "class": family.model_class, "weights": weights}
    name = folder.resolve().name
    return CheckpointConfig(
        IMAGE_TO_TEXT, name, architecture, None, decoding=_decoding(folder), training=_origin(folder)
    )


def usable_family(folder: Path) -> Family:
    """The family of a folder; CheckpointError for one that is not known, that the installed transformers
    lacks, whose weights are no safetensors or not all there, or that does not say how pictures are prepared
    or questions put."""
    family = check_config(folder / CONFIG_FILE, str(folder))
    weight_files(folder)
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        raise CheckpointError(
            f"{folder} holds no {PROCESSOR_FILES[0]}, which says how pictures are prepared: copy it from "
            "where the model came from."
        )
    if family.prompts.chat and not _has_chat_template(folder):
        raise CheckpointError(
            f"{folder} holds no chat template ({', '.join(CHAT_FILES)}, or in {TOKENIZER_FILE}), which says "
            "how a question is put: take the model's repository for chats, whose name mostly says Instruct."
        )
    return family


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, one or its shards; CheckpointError where there are none, or not
    all."""
    if (folder / SAFE).is_file():
        return [folder / SAFE]
    if not (folder / INDEX).is_file():
        raise CheckpointError(f"{folder} holds no {SAFE}: other forms of weights are not read.{_how(folder)}")
    content = expect(
        read_json_file(folder / INDEX, CheckpointError), dict, str(folder / INDEX), CheckpointError
    )
    names = sorted({str(name) for name in _places(content)})
    wrong = [name for name in names if not SHARD.fullmatch(name) or not (folder / name).is_file()]
    if wrong or not names:
        raise CheckpointError(f"{folder} lacks {first_of(wrong) if wrong else 'weights'}: copy it again.")
    return [folder / name for name in names]


def _places(index: Mapping[str, Any]) -> list[Any]:
    """The files that an index names."""
    places = index.get("weight_map")
    return list(places.values()) if isinstance(places, dict) else []


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in CHAT_FILES):
        return True
    files = [folder / TOKENIZER_FILE, folder / PROCESSOR_FILES[1]]
    return any("chat_template" in read_json_file(file, CheckpointError) for file in files if file.is_file())


def _decoding(folder: Path) -> dict[str, Any]:
    """What its authors decode with, by generation_config.json, as far as it is an option here."""
    file = folder / GENERATION_FILE
    if not file.is_file():
        return {}
    said = expect(read_json_file(file, CheckpointError), dict, str(file), CheckpointError)
    own = {name: said[name] for name in OWN_DECODING if said.get(name) is not None}
    try:
        DecodingOptions(**own)
    except UsageError:
        return {}  # nothing that could be asked for here
    return own


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


def problem_to_fetch(model: PublishedModel) -> str:
    """Why a published model could not be used here once it was fetched, empty where it could."""
    try:
        if model.model_type:
            _check_installed(FAMILIES[model.model_type])
    except CheckpointError as error:
        return str(error)
    return ""


def _check_installed(family: Family) -> None:
    try:
        here = version("transformers")
    except PackageNotFoundError:
        raise CheckpointError(f"{family.title} needs transformers, which is not installed here.") from None
    if version_numbers(here) < version_numbers(family.since):
        raise CheckpointError(family.too_old(here))
    if family.package and find_spec(family.package) is None:
        raise CheckpointError(
            f"{family.title} needs the package {family.package}, which is not installed here: "
            f"python -m pip install {family.package}"
        )


def _origin(folder: Path) -> dict[str, Any]:
    """Where the folder was downloaded from, or what file it was converted from, as parts of `training`;
    nothing where nobody says."""
    file, converted = folder / ORIGIN_FILE, read_origin(folder)
    hub = {"hub": read_json_file(file, CheckpointError)} if file.is_file() else {}
    return {**hub, **({ORIGIN: dict(converted)} if converted else {})}


def _count(file: Path) -> int:
    """How many weights a file holds, by its header."""
    return sum(spec.size for spec in read_state_file(file).tensors.values())
