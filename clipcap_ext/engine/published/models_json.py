"""models.json in a models folder: a user's own checkpoint folders, files and Hub repositories, read strictly.

    {"format": "clipcap-ext-models-1",
     "models": {
       "shared":  {"folder": "/mnt/models/shared"},
       "mine":    {"file": "old/weights.pt", "like": "clipcap-coco"},
       "team":    {"repo": "team/captioner", "revision": "v2", "licence": "cc-by-4.0"},
       "theirs":  {"repo": "them/clipcap", "file": "best.pt", "decoding": {"num_beams": 5},
                   "encoder": {"model": "ViT-L-14", "pretrained": "openai", "normalize": false}}}}

`like` takes what is not said from a published model. Paths start at the file's own folder.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.published.table import PUBLISHED, PublishedModel, published
from clipcap_ext.errors import CaptionError, CheckpointError
from clipcap_ext.foreign_json import read_json_file

FILE, FORMAT = "models.json", "clipcap-ext-models-1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
TEXTS = ("folder", "file", "repo", "revision", "like", "kind", "licence", "purpose", "tokenizer")
KEYS = (*TEXTS, "encoder", "decoding", "gpt2")
ENCODER_KEYS = {"model": str, "pretrained": str, "normalize": bool}


@dataclass(frozen=True)
class OwnModel:
    """One entry: a checkpoint `folder`, or `about` a model with its weights in `file` or on the Hub."""

    name: str
    folder: Path | None = None
    file: Path | None = None
    about: PublishedModel | None = None


def read_own_models(folder: Path) -> list[OwnModel]:
    """The entries of `folder`/models.json, none if there is no such file; CheckpointError says what is wrong
    where."""
    path = folder / FILE
    if not path.is_file():
        return []
    said = read_json_file(path, CheckpointError)
    if not isinstance(said, dict) or said.get("format") != FORMAT or not isinstance(said.get("models"), dict):
        raise CheckpointError(f'{path}: {{"format": "{FORMAT}", "models": {{...}}}} was expected.')
    _check_keys(said, ("format", "models"), str(path))
    return [_entry(name, one, path) for name, one in said["models"].items()]


def _entry(name: str, said: Any, path: Path) -> OwnModel:
    where = f"{path}, {name!r}"
    if not NAME.fullmatch(name) or published(name) is not None:
        raise CheckpointError(
            f"{where}: a name is letters, digits, . _ -, at most 80, and none of the published models'."
        )
    if not isinstance(said, dict):
        raise CheckpointError(f"{where}: a table of keys was expected.")
    _check_keys(said, KEYS, where)
    for key in TEXTS:
        if key in said and (not isinstance(said[key], str) or not said[key] or "\0" in said[key]):
            raise CheckpointError(f"{where}: {key} is a text.")
    if "folder" in said:
        if len(said) > 1:
            raise CheckpointError(f"{where}: a folder explains itself, so no other key goes with it.")
        return OwnModel(name, folder=path.parent / Path(said["folder"]).expanduser())
    if "repo" not in said and "file" not in said:
        raise CheckpointError(f"{where}: one of folder, file and repo is needed.")
    if "repo" in said and not REPO.fullmatch(said["repo"]):
        raise CheckpointError(f"{where}: repo is OWNER/NAME as on the Hub, not {said['repo']!r}.")
    file = None if "repo" in said else path.parent / Path(said["file"]).expanduser()
    return OwnModel(name, file=file, about=_about(name, said, where))


def _about(name: str, said: Mapping[str, Any], where: str) -> PublishedModel:
    like = said.get("like")
    base = published(like) if like else PublishedModel(name, "")
    if base is None:
        known = ", ".join(model.name for model in PUBLISHED)
        raise CheckpointError(f"{where}: like names no published model; known: {known}.")
    changes: dict[str, Any] = {
        "name": name,
        "repo": said.get("repo", ""),
        "revision": said.get("revision", "main"),
    }
    changes["file"] = said.get("file", "") if "repo" in said else ""
    changes["size"] = 0
    for key in ("kind", "licence", "purpose", "tokenizer"):
        if key in said:
            changes[key] = said[key]
    if "tokenizer" not in said and "repo" in said and not like:
        changes["tokenizer"] = ""
    if "encoder" in said:
        changes["encoder"] = _encoder(said["encoder"], where)
    for key, kind in (("decoding", dict), ("gpt2", bool)):
        if key in said:
            if not isinstance(said[key], kind):
                raise CheckpointError(f"{where}: {key} is {'a table' if kind is dict else 'true or false'}.")
            changes[key] = said[key]
    try:
        return replace(base, **changes)
    except CaptionError as error:
        raise CheckpointError(f"{where}: {error}") from error


def _encoder(said: Any, where: str) -> EncoderConfig:
    if not isinstance(said, dict) or "model" not in said:
        raise CheckpointError(f"{where}: encoder is a table of model, pretrained and normalize.")
    _check_keys(said, tuple(ENCODER_KEYS), f"{where}, encoder")
    for key, kind in ENCODER_KEYS.items():
        if key in said and not isinstance(said[key], kind):
            raise CheckpointError(
                f"{where}, encoder: {key} is {'true or false' if kind is bool else 'a text'}."
            )
    return EncoderConfig(**{"pretrained": "", **said})


def _check_keys(said: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CheckpointError(f"{where} has an unknown key {key!r}; known: {', '.join(known)}.{hint}")
