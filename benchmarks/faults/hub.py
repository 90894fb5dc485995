"""The doors of a download and of its removal, against a fake Hub in a process of its own.

What the download's worker writes is hurt, too: here it works in the process that asked.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.doors import Door, strays
from clipcap_ext.errors import CaptionError, CheckpointError

PAPER, CLIP, GPT2 = "clipcap-flickr8k-gradient", "ViT-L-14/openai", "openai-community/gpt2"
BOOKS = (".lock", "pins.json", ".model.json", ".repo.json")  # what is known of downloads; no download


class InProcess:
    """In the place of the worker's process: the same work, at once, where it can be hurt."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}

    def request(self, said: dict[str, Any]) -> None:
        """Do it."""
        from clipcap_ext.hub import worker

        asked = dict(said)
        doing: dict[str, Callable[..., dict[str, Any]]] = {
            "list": worker.list_files,
            "fetch": worker.fetch_file,
        }
        work = doing[asked.pop("do")]
        try:
            self._said = work(**asked)
        except Exception as error:
            self._said = {"error": worker.failure_of(error)}

    def answer(self, seconds: float) -> dict[str, Any]:
        """What came of it."""
        return self._said

    def end(self) -> None:
        """Nothing runs on."""


def serve(place: Path) -> dict[str, dict[str, bytes]]:
    """Start the Hub, and point this process at it; what is published there. It ends with this process.

    Called before anything imports huggingface_hub, which reads once where its Hub is.
    """
    (reading, writing), (alive, ours) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(ours)
        _serve(place, writing, alive)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        url, config, repos = pickle.load(stream)
    os.environ |= {"HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ |= {name: str(place / name.lower()) for name in ("HF_HOME", "XDG_CACHE_HOME", "HOME")}
    import open_clip

    from clipcap_ext.hub import client

    open_clip.get_model_config = lambda name: config
    setattr(client, "_Worker", InProcess)  # noqa: B010
    return repos


def _serve(place: Path, writing: int, alive: int) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "hub"))
    from fake_hub import VIT_L, FakeHub
    from small_repositories import published_files, small_clip

    made = place / "published-repositories"
    made.mkdir()
    config, weights = small_clip(768, made)
    repos = {**published_files(made), VIT_L: {"open_clip_model.safetensors": weights}}
    with FakeHub(repos) as hub:
        with os.fdopen(writing, "wb") as stream:
            pickle.dump((hub.url, config, repos), stream)
        os.read(alive, 1)  # until nobody holds the other end


class Downloading(Door):
    """A model, its vocabulary and its CLIP fetched; what has arrived is there whole or not at all."""

    name = "download"

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos

    def prepare(self, root: Path) -> None:
        pass

    def act(self, root: Path) -> None:
        from clipcap_ext.hub.client import HubClient
        from clipcap_ext.hub.download import Download

        with HubClient() as client:
            Download(root / "models", client)(PAPER)

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        yield from self.wrong_files(root)
        if (root / "models" / PAPER).exists():
            yield from wrong_model(root)

    def wrong_files(self, root: Path) -> Iterator[str]:
        for repo, files in self.repos.items():
            for path, content in files.items():
                place = root / "models" / "hub" / repo.replace("/", "--") / path
                if place.exists() and place.read_bytes() != content:
                    yield f"half-written: {path}"

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_files(root)
        yield from wrong_model(root)
        yield from strays(root)
        remove_all(root / "models")
        yield from left_over(root / "models")


class Removing(Downloading):
    """The same taken from the disk; a person's files beside it stay."""

    name = "remove"

    def __init__(self, repos: dict[str, dict[str, bytes]], place: Path) -> None:
        super().__init__(repos)
        self.whole = place
        super().act(place)
        for path in self.own(place):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine")

    def own(self, root: Path) -> list[Path]:
        """A person's files."""
        models, repo = root / "models", GPT2.replace("/", "--")
        return [
            models / "mine" / "config.json",
            models / PAPER / "notes.txt",
            models / "hub" / repo / "notes",
        ]

    def prepare(self, root: Path) -> None:
        shutil.copytree(self.whole / "models", root / "models")

    def act(self, root: Path) -> None:
        remove_all(root / "models")

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        yield from (f"lost: {path}" for path in self.own(root) if not path.exists())

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_after_fault(root)
        own = {parent for path in self.own(root) for parent in (path, *path.parents)}
        yield from left_over(root / "models", own)


def remove_all(models: Path) -> None:
    """Remove the model, the CLIP and the vocabulary, those that are there."""
    from clipcap_ext.hub.removal import plan_removal

    for name in (PAPER, CLIP, GPT2):
        try:
            plan_removal(name, models).carry_out()
        except CheckpointError as error:
            if "is not on this disk" not in str(error) and "nothing of it was downloaded" not in str(error):
                raise


def left_over(models: Path, own: set[Path] = frozenset()) -> Iterator[str]:  # type: ignore[assignment]
    """What a removal left, our books aside."""
    for path in sorted(models.rglob("*")):
        folder = path.is_dir() and path.relative_to(models).parts[0] == "hub"
        if not path.name.endswith(BOOKS) and path not in own and not folder:
            yield f"stray: {path.relative_to(models)}"


def wrong_model(root: Path) -> Iterator[str]:
    """Why the model cannot be used, if so."""
    from clipcap_ext.engine.checkpoint.config import read_config
    from clipcap_ext.engine.clipcap.checkpoint import load_clipcap

    try:
        load_clipcap(root / "models" / PAPER, read_config(root / "models" / PAPER))
    except CaptionError as error:
        yield f"lost: {error}"
