"""How an image-to-text model on the Hub is asked for, and what it is called once it is here; nobody is
asked."""

from __future__ import annotations

import re

from clipcap_ext.errors import UsageError, printable

PREFIX = "hf:"
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
ORIGIN_FILE = "hub.json"  # in the model's folder: repository, revision, commit and files it was downloaded as


def repo_of(asked: str) -> str:
    """`hf:owner/name` -> `owner/name`, empty for any other text; UsageError for hf: before what is no
    repository."""
    if not asked.startswith(PREFIX):
        return ""
    repo = asked.removeprefix(PREFIX)
    if not REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        raise UsageError(f"{printable(asked)[:120]}: hf: is followed by OWNER/NAME, as on the Hub.")
    return repo


def model_name(repo: str) -> str:
    """`owner/name` -> `owner--name`, the model's name and its folder's in the models folder."""
    return repo.replace("/", "--")
