"""A checkpoint folder of one's own to a repository on the Hub: what would go there, what it lacks, and the
push; it trains and scores nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.engine.catalog import find_encoder_folder, find_model
from clipcap_ext.engine.checkpoint.config import CARD_FILE
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.clip.hub_cache import is_offline
from clipcap_ext.engine.front_matter import split_card
from clipcap_ext.errors import CaptionError, UsageError
from clipcap_ext.hub.failures import endpoint

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
ASKED = {  # what the Hub reads on a card -> what to do where it is not said
    "license": "", "datasets": "the data that it was trained on", "language": "such as en",
    "metrics": "`python -m clipcap_ext.evaluate MODEL --record` writes them",
}  # fmt: skip
TOKEN = "Set HF_TOKEN to a token that may write (huggingface.co/settings/tokens), or run `hf auth login`."


@dataclass(frozen=True)
class Publication:
    """What would be pushed. files: path in the repository -> file here; fields: the card's front matter;
    lacking: what stands against it; unsaid: what the card does not say, and may."""

    name: str
    repo: str
    files: dict[str, Path]
    fields: dict[str, Any] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(path.stat().st_size for path in self.files.values())


def plan(model: str, repo: str) -> Publication:
    """What publishing a model (a folder or a name) would push. ModelNotFound lists the models there are;
    UsageError for a repository's name that is none."""
    if not REPO.fullmatch(repo) or len(repo) > 96 or ".." in repo or "--" in repo:
        raise UsageError(f"--repo {repo}: a repository is called OWNER/NAME, as on the Hub.")
    entry = find_model(model)
    if entry.config is None:
        raise CaptionError(f"{entry.name} cannot be published: {entry.problem}")
    files = {path.name: path for path in _files(entry.folder)}
    encoder = entry.config.encoder
    if encoder is not None and not encoder.pretrained and not (BUNDLED / encoder.model).is_dir():
        own = find_encoder_folder(encoder.model, entry.folder)
        files |= {f"{encoder.model}/{path.name}": path for path in _files(own)}
    card = files[CARD_FILE].read_text(encoding="utf-8") if CARD_FILE in files else ""
    fields, _ = split_card(card)
    lacking = [] if card else [f"{CARD_FILE}, the card"]
    if card and "license" not in fields:
        lacking.append("`license` in the card's front matter: under which terms others may use it")
    unsaid = [
        f"{name}{f' ({what})' if what else ''}"
        for name, what in ASKED.items()
        if name not in fields and name != "license"
    ]
    lacking += [entry.problem] if entry.problem else []
    return Publication(entry.name, repo, files, fields, tuple(lacking), tuple(unsaid))


def _files(folder: Path) -> list[Path]:
    """Its own files, by name: nothing hidden, no folder, no link to elsewhere."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    ]


def push(publication: Publication, *, private: bool = False) -> str:
    """Push it in one commit, into a repository that is made where there is none; returns the commit's
    address. CaptionError says what is lacking, or why the Hub did not take it."""
    if publication.lacking:
        raise CaptionError(f"{publication.name} is not pushed: it lacks {'; '.join(publication.lacking)}.")
    if is_offline():
        raise CaptionError("HF_HUB_OFFLINE is set, so nothing is pushed: unset it first.")
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [CommitOperationAdd(name, str(path)) for name, path in publication.files.items()]
    api = HfApi(endpoint=endpoint())
    try:
        api.create_repo(publication.repo, private=private, exist_ok=True)
        made = api.create_commit(
            publication.repo, operations, commit_message=f"Publish {publication.name} with clipcap-ext"
        )
    except Exception as error:  # the Hub's client raises many kinds
        raise CaptionError(f"{publication.repo} was not pushed: {_reason(error)}") from error
    return str(made.commit_url)


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401 or type(error).__name__ == "LocalTokenNotFoundError":
        return f"{endpoint()} wants to know who asks. {TOKEN}"
    if status == 403:
        return f"this account may not write there (403). {TOKEN}"
    if status:
        return f"{endpoint()} answered {status} ({error})."
    return f"no connection to {endpoint()} ({error}). Check the network, HTTPS_PROXY and HF_ENDPOINT."
