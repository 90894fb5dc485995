"""Removing deletes what our own record names and nothing else, whatever a model, a link or a table says."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import GPT2, PAPER, FakeHub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipcap_ext.__main__ import main
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.precision.kept_files import copies_folder, folder_of
from clipcap_ext.errors import CaptionError, CheckpointError, DownloadError
from clipcap_ext.hub.client import HubClient
from clipcap_ext.hub.deletion import delete_files
from clipcap_ext.hub.download import Download
from clipcap_ext.hub.records import Records
from clipcap_ext.hub.removal import is_downloaded, plan_removal
from clipcap_ext.hub.store import Store

CLIP = "ViT-L-14/openai"


def everything(folder: Path) -> set[str]:
    """Every path below `folder`, our own book-keeping aside."""
    own = (".lock", "pins.json", ".model.json", ".repo.json")
    paths = (path for path in folder.rglob("*") if not path.name.endswith(own))
    return {path.relative_to(folder).as_posix() for path in paths}


@pytest.fixture
def downloaded(hub: FakeHub, models: Path) -> Path:
    """The models folder with the paper's ClipCap, its CLIP and GPT-2's vocabulary."""
    with HubClient() as client:
        Download(models, client)(PAPER)
    return models


def pretend_download(models: Path, name: str, repo: str = "a/b") -> Path:
    """A small folder that the record says was downloaded."""
    (models / name).mkdir(parents=True)
    (models / name / "model.safetensors").write_bytes(b"weights")
    (models / name / "config.json").write_text("{}")
    Records(models).keep_model(name, repo)
    return models / name


def test_all_that_came_goes_and_what_is_shared_is_named(downloaded: Path) -> None:
    assert is_downloaded(find_model(PAPER, folders=[downloaded]), downloaded)
    removal = plan_removal(PAPER, downloaded)
    assert removal.size == sum(path.stat().st_size for path in (downloaded / PAPER).iterdir())
    assert removal.clip == CLIP and removal.clip_size > 0 and not removal.kept
    assert removal.carry_out() == removal.size
    for name in (CLIP, GPT2):
        assert plan_removal(name, downloaded).carry_out() > 0
    assert everything(downloaded) == {"hub", "hub/records"}
    with pytest.raises(CheckpointError, match="is not on this disk"):
        plan_removal(PAPER, downloaded)


def test_rounded_weights_go_with_those_they_were_made_of(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("mine", "other"):
        folder = folder_of(pretend_download(models, name, f"a/{name}") / "model.safetensors")
        folder.mkdir(parents=True)
        (folder / "words-0.safetensors").write_bytes(b"rounded")
    plan_removal("mine", models).carry_out()
    left = [path.parent for path in copies_folder().rglob("*.safetensors")]
    assert left == [folder_of(models / "other" / "model.safetensors")] == list(copies_folder().iterdir())


def test_a_download_that_was_stopped_can_be_removed(
    hub: FakeHub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.behaviour.cut, hub.behaviour.status, hub.behaviour.where = (0.5, 1), (503, 99), "nowhere"
    monkeypatch.setattr(Store, "_receive", _receive_half)
    with HubClient() as client, pytest.raises(DownloadError):
        Download(models, client)(PAPER)
    removal = plan_removal(PAPER, models)
    assert [path.suffix for path in removal.files] == [".part"] and removal.carry_out() == removal.size > 0
    assert everything(models) == {"hub"}


def _receive_half(store: Store, wanted: Any, listing: Any, file: Any, part: Path) -> None:
    part.write_bytes(b"half")
    raise DownloadError("the line was cut")


@pytest.mark.parametrize("repo", ["..", ".", "", "/", "../..", "a/../..", "hub", "records", 5, None])
def test_a_model_cannot_say_what_is_deleted(models: Path, tiny_clipcap: Path, repo: object) -> None:
    shutil.copytree(tiny_clipcap, models / "theirs")
    pretend_download(models, "mine")
    config = json.loads((models / "theirs" / "config.json").read_text())
    config["training"] = {"hub": {"repo": repo, "commit": "c", "files": ["../mine/config.json"]}}
    (models / "theirs" / "config.json").write_text(json.dumps(config))
    before = everything(models)
    with pytest.raises(CheckpointError, match=r"it is yours, in .*theirs.* Delete that by hand"):
        plan_removal("theirs", models)
    assert everything(models) == before


def test_a_folder_that_models_json_names_stays(models: Path, tmp_path: Path, tiny_clipcap: Path) -> None:
    shutil.copytree(tiny_clipcap, tmp_path / "shared")
    pretend_download(models, "mine")
    said = {"format": "clipcap-ext-models-1", "models": {"theirs": {"folder": str(tmp_path / "shared")}}}
    (models / "models.json").write_text(json.dumps(said))
    config = json.loads((tmp_path / "shared" / "config.json").read_text())
    config["training"] = {"hub": {"repo": "a/b"}}
    (tmp_path / "shared" / "config.json").write_text(json.dumps(config))
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match=f"it is yours, in {tmp_path / 'shared'}"):
        plan_removal("theirs", models)
    said["models"] = {"mine": {"folder": str(tmp_path / "shared")}}  # the name of a download, elsewhere
    (models / "models.json").write_text(json.dumps(said))
    plan_removal("mine", models).carry_out()
    assert before - everything(tmp_path) == {
        "models/mine", "models/mine/config.json", "models/mine/model.safetensors",
    }  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="makes links")
@pytest.mark.parametrize("moved", ["the folder", "a file", "the hub"])
def test_nothing_is_deleted_through_a_link(models: Path, tmp_path: Path, moved: str) -> None:
    folder = pretend_download(models, "mine")
    place = {"the folder": folder, "a file": folder / "config.json", "the hub": models / "hub"}[moved]
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    if moved == "the hub":
        fetched = elsewhere / "a--b" / "weights.bin"
        fetched.parent.mkdir()
        fetched.write_bytes(b"x")
        place.symlink_to(elsewhere)
        Records(models).add_file("a/b", "weights.bin")
    else:
        place.symlink_to(elsewhere)
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match=f"through a link, to {elsewhere}.* by hand"):
        plan_removal("mine", models)
    assert everything(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="makes links")
def test_a_models_folder_may_be_a_link_itself(models: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    models.symlink_to(tmp_path / "disk")
    pretend_download(models, "mine")
    assert plan_removal("mine", models).carry_out() == len(b"weights{}")
    assert "mine" not in everything(tmp_path / "disk")


def test_a_link_that_appears_after_the_question_is_seen(models: Path, tmp_path: Path) -> None:
    folder = pretend_download(models, "mine")
    removal = plan_removal("mine", models)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="through a link"):
        removal.carry_out()
    assert (tmp_path / "elsewhere" / "model.safetensors").is_file()


@pytest.mark.parametrize("deleted", range(3))
def test_a_removal_that_was_interrupted_goes_on(
    models: Path, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    """Killed after so many files: the rest, the empty folder and our record go with the next one."""
    pretend_download(models, "mine")
    left, unlink = [deleted], Path.unlink

    def dies(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name in ("mine", "records"):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", dies)
    monkeypatch.setattr(Path, "rmdir", lambda path: unlink(path / "never"))
    with pytest.raises(KeyboardInterrupt):
        plan_removal("mine", models).carry_out()
    monkeypatch.undo()
    monkeypatch.setenv("CLIPCAP_MODELS", str(models))
    plan_removal("mine", models).carry_out()
    assert not (models / "mine").exists() and Records(models).of_model("mine") is None


def test_what_a_person_added_stays_and_is_named(models: Path) -> None:
    folder = pretend_download(models, "mine")
    (folder / "notes.txt").write_text("mine")
    (folder / "config.json").write_text('{"scores": []}')  # as scoring writes it
    removal = plan_removal("mine", models)
    assert removal.kept == (folder / "notes.txt",)
    removal.carry_out()
    assert everything(models) == {"hub", "hub/records", "mine", "mine/notes.txt"}


def test_another_model_in_its_place_stays(models: Path) -> None:
    folder = pretend_download(models, "mine")
    (folder / "model.safetensors").write_bytes(b"another one's weights")
    with pytest.raises(CheckpointError, match=r"not what was downloaded any more.*by hand"):
        plan_removal("mine", models)
    assert (folder / "config.json").is_file()


def test_a_file_placed_by_hand_in_the_hub_folder_stays(hub: FakeHub, models: Path) -> None:
    place = Store(models).path_of("Anshler/clip-prefix", "flickr8k_gradient.pt")
    place.parent.mkdir(parents=True)
    place.write_bytes(hub.repos["Anshler/clip-prefix"]["flickr8k_gradient.pt"])
    with HubClient() as client:
        Download(models, client)(PAPER)
    assert place.is_file()
    plan_removal(PAPER, models).carry_out()
    assert place.is_file() and not (models / PAPER).exists()


def test_a_folder_that_is_no_model_is_not_replaced(hub: FakeHub, models: Path) -> None:
    (models / PAPER).mkdir(parents=True)
    (models / PAPER / "notes.txt").write_text("mine")
    with HubClient() as client, pytest.raises(CheckpointError, match="holds no model: move it away"):
        Download(models, client)(PAPER)
    assert hub.sent == 0 and (models / PAPER / "notes.txt").is_file()


PATHS = st.sampled_from(["../out.txt", "/etc/x", "", ".", "..", "a/../../out.txt", "C:\\x", "\0"])
JSONS = st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3)
STATES = st.lists(st.integers(), min_size=2, max_size=2) | JSONS
WRONG = (
    st.dictionaries(st.sampled_from(["format", "repo", "files"]), JSONS)
    | st.fixed_dictionaries(
        {"format": st.just("clipcap-ext-download-1"), "repo": st.sampled_from(["a/b", "..", "../x", 5]),
         "files": st.dictionaries(PATHS, STATES, min_size=1)}
    )
    | JSONS
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=WRONG)
def test_no_record_leads_out_of_the_folder(models: Path, tmp_path: Path, said: object) -> None:
    if not (models / "mine").exists():
        pretend_download(models, "mine")
        (tmp_path / "out.txt").write_text("not yours")
    (models / "hub" / "records" / "mine.model.json").write_text(json.dumps(said))
    before = everything(tmp_path)
    try:
        removal = plan_removal("mine", models)
    except CaptionError as error:
        assert "by hand" in str(error)
    else:
        raise AssertionError(f"would delete {removal.files}")
    assert everything(tmp_path) == before


def test_files_outside_are_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "out.txt").write_text("x")
    for path in (tmp_path / "out.txt", tmp_path / "root" / ".." / "out.txt"):
        with pytest.raises(CheckpointError):
            delete_files(tmp_path / "root", [path])
    assert (tmp_path / "out.txt").is_file()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def answered(models: Path) -> Callable[..., tuple[int, str]]:
    """Run words at a terminal where somebody types `answer`."""

    def run(answer: str, *words: str) -> tuple[int, str]:
        streams = Streams(io.StringIO(), Terminal(), Terminal(answer))
        return main(words, streams), streams.err.getvalue()

    return run


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("yes\n", True), ("n\n", False), ("", False)])
def test_a_terminal_is_asked_after_it_was_told_what_and_how_much(
    models: Path, answered: Callable[..., tuple[int, str]], answer: str, gone: bool
) -> None:
    folder = pretend_download(models, "mine")
    code, said = answered(answer, "models", "--remove", "mine")
    assert said.startswith(f"mine: 2 files, 0.0 MB, downloaded from a/b, in {folder}\n")
    assert "Remove it from this disk? [y/N]" in said
    assert (code, folder.exists()) == ((0, False) if gone else (1, True))


def test_links_are_answered_in_words_at_the_terminal(
    models: Path, tmp_path: Path, answered: Callable[..., tuple[int, str]]
) -> None:
    folder = pretend_download(models, "mine")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    code, said = answered("y\n", "models", "--remove", "mine")
    assert code == 1 and "through a link" in said and "Traceback" not in said
