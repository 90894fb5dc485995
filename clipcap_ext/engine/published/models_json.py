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
from clipcap_ext.engine.published.published_models import PUBLISHED, PublishedModel, find_published
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
    content = read_json_file(path, CheckpointError)
    models = content.get("models") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(models, dict):
        raise CheckpointError(f'{path}: {{"format": "{FORMAT}", "models": {{...}}}} was expected.')
    _check_keys(content, ("format", "models"), str(path))
    return [_entry(name, table, path) for name, table in models.items()]


def _entry(name: str, table: Any, path: Path) -> OwnModel:
    where = f"{path}, {name!r}"
    if not NAME.fullmatch(name) or find_published(name) is not None:
        raise CheckpointError(
            f"{where}: a name is letters, digits, . _ -, at most 80, and none of the published models'."
        )
    if not isinstance(table, dict):
        raise CheckpointError(f"{where}: a table of keys was expected.")
    _check_keys(table, KEYS, where)
    for key in TEXTS:
        if key in table and (not isinstance(table[key], str) or not table[key] or "\0" in table[key]):
            raise CheckpointError(f"{where}: {key} is a text.")
    if "folder" in table:
        if len(table) > 1:
            raise CheckpointError(f"{where}: a folder explains itself, so no other key goes with it.")
        return OwnModel(name, folder=path.parent / Path(table["folder"]).expanduser())
    if "repo" not in table and "file" not in table:
        raise CheckpointError(f"{where}: one of folder, file and repo is needed.")
    if "repo" in table and not REPO.fullmatch(table["repo"]):
        raise CheckpointError(f"{where}: repo is OWNER/NAME as on the Hub, not {table['repo']!r}.")
    file = None if "repo" in table else path.parent / Path(table["file"]).expanduser()
    return OwnModel(name, file=file, about=_about(name, table, where))


def _about(name: str, table: Mapping[str, Any], where: str) -> PublishedModel:
    like = table.get("like")
    base = find_published(like) if like else PublishedModel(name, "")
    if base is None:
        known = ", ".join(model.name for model in PUBLISHED)
        raise CheckpointError(f"{where}: like names no published model; known: {known}.")
    changes: dict[str, Any] = {
        "name": name,
        "repo": table.get("repo", ""),
        "revision": table.get("revision", "main"),
    }
    changes["file"] = table.get("file", "") if "repo" in table else ""
    changes["size"] = 0
    for key in ("kind", "licence", "purpose", "tokenizer"):
        if key in table:
            changes[key] = table[key]
    if "tokenizer" not in table and "repo" in table and not like:
        changes["tokenizer"] = ""
    if "encoder" in table:
        changes["encoder"] = _encoder(table["encoder"], where)
    for key, kind in (("decoding", dict), ("gpt2", bool)):
        if key in table:
            if not isinstance(table[key], kind):
                raise CheckpointError(f"{where}: {key} is {'a table' if kind is dict else 'true or false'}.")
            changes[key] = table[key]
    try:
        return replace(base, **changes)
    except CaptionError as error:
        raise CheckpointError(f"{where}: {error}") from error


def _encoder(table: Any, where: str) -> EncoderConfig:
    if not isinstance(table, dict) or "model" not in table:
        raise CheckpointError(f"{where}: encoder is a table of model, pretrained and normalize.")
    _check_keys(table, tuple(ENCODER_KEYS), f"{where}, encoder")
    for key, kind in ENCODER_KEYS.items():
        if key in table and not isinstance(table[key], kind):
            raise CheckpointError(
                f"{where}, encoder: {key} is {'true or false' if kind is bool else 'a text'}."
            )
    return EncoderConfig(**{"pretrained": "", **table})


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CheckpointError(f"{where} has an unknown key {key!r}; known: {', '.join(known)}.{hint}")
