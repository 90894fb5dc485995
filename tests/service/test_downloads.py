"""The owner of the tab's download: one at a time, ended at once; what can be fetched and what removed."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcap_ext.engine.folder_kinds import OF_OTHERS
from clipcap_ext.engine.published.published_models import PUBLISHED
from clipcap_ext.errors import Cancelled, DownloadError, UsageError
from clipcap_ext.hub.client import HubClient, HubFailure
from clipcap_ext.hub.records import Records
from clipcap_ext.service import downloads as downloads_module
from clipcap_ext.service.downloads import Downloads

PAPER = "clipcap-flickr8k-gradient"


def until(true: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 60
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIPCAP_MODELS", str(tmp_path / "none"))
    return tmp_path


def test_only_one_runs_and_cancel_ends_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def hang(client: HubClient, repo: str, revision: str) -> None:
        asked.set()
        client.cancel.wait(60)
        client.stop_if_cancelled()

    monkeypatch.setattr(HubClient, "listing", hang)
    downloads = Downloads(home / "models")
    run = downloads.start(PAPER)
    assert asked.wait(60) and downloads.running is run and "Anshler/clip-prefix" in downloads.step
    assert downloads.start(PAPER) is run  # whoever asks for it again waits for the same
    with pytest.raises(UsageError, match=f"{PAPER} is being downloaded. Wait for it, or cancel it"):
        downloads.start("sbg-flickr8k")
    downloads.cancel()
    until(lambda: downloads.running is None)
    assert isinstance(run.error, Cancelled)


def test_a_download_ends_when_the_last_who_wanted_it_leaves(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(client: HubClient, repo: str, revision: str) -> None:
        client.cancel.wait(60)
        client.stop_if_cancelled()

    monkeypatch.setattr(HubClient, "listing", hang)
    downloads, one, other, stranger = Downloads(home / "models"), object(), object(), object()
    run = downloads.start(PAPER, one)
    assert downloads.start(PAPER, other) is run
    downloads.leave(stranger)
    downloads.leave(one)
    time.sleep(0.1)
    assert downloads.running is run and downloads.goes_on_without(one)
    assert not downloads.goes_on_without(other)
    downloads.leave(other)
    until(lambda: downloads.running is None)
    assert isinstance(run.error, Cancelled) and not downloads.goes_on_without(one)


def test_a_failure_is_told_and_the_next_may_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(client: HubClient, repo: str, revision: str) -> None:
        raise HubFailure({"text": "no", "kind": "http", "status": 503})

    monkeypatch.setattr(HubClient, "listing", refuse)
    downloads = Downloads(home / "models")
    for _ in range(2):
        run = downloads.start(PAPER)
        until(lambda: downloads.running is None)
        assert isinstance(run.error, DownloadError) and "trouble of its own" in str(run.error)


def test_a_download_that_ends_at_once_is_not_left_running(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        downloads_module.Downloads, "_work", lambda self, name: downloads_module.Downloads._end(self)
    )
    downloads = Downloads(home / "models")
    for _ in range(20):
        downloads.start(PAPER)
        until(lambda: downloads.running is None)


def test_what_can_be_fetched_says_how_much(home: Path, tiny_folder: Path) -> None:
    models = home / "models"
    downloads = Downloads(models)
    sizes = dict(downloads.fetchable())
    assert set(sizes) == {model.name for model in (*PUBLISHED, *OF_OTHERS) if model.repo}
    assert sizes[PAPER] == 651_000_000 + 4 * 427_616_513  # its weights, and CLIP's, which is not here either
    shutil.copytree(tiny_folder / "tiny-clipcap", models / "mine")
    said = json.loads((models / "mine" / "config.json").read_text())
    said["encoder"] = {"model": "ViT-B-32", "pretrained": "openai", "normalize": True}
    (models / "mine" / "config.json").write_text(json.dumps(said))
    assert dict(downloads.fetchable())["mine"] == 4 * 151_277_313
    assert downloads.removable() == []
    said["training"] = {"hub": {"repo": "a/b", "commit": "c", "files": []}}
    (models / "mine" / "config.json").write_text(json.dumps(said))
    assert downloads.removable() == []  # a model does not say of itself whether it may be deleted
    Records(models).keep_model("mine", "a/b")
    assert downloads.removable() == ["mine"]
    assert downloads.removal("mine").carry_out() > 0 and downloads.removable() == []
    assert not (models / "mine").exists()
