"""An image-to-text model from the Hub, by `hf:OWNER/NAME`: fetched once, checked, captioning in the default
folder; what cannot be used is refused before its weights are asked for."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_hub import FakeHub
from safetensors.torch import load, save
from terminal import Terminal, typed

from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.image_to_text.describing import check_config, problem_to_fetch
from clipcap_ext.engine.image_to_text.known_models import KNOWN_MODELS
from clipcap_ext.engine.published.models_json import FORMAT, read_own_models
from clipcap_ext.errors import CheckpointError
from clipcap_ext.hub import repository

ASKED, REPO, NAME = "hf:someone/tiny-git", "someone/tiny-git", "someone--tiny-git"
NOT_TAKEN = {
    "pytorch_model.bin": b"a pickle", "modeling_git.py": b"print()", "tf_model.h5": b"", "deep/x.json": b"{}",
}  # fmt: skip


@pytest.fixture
def default_folder(hub: FakeHub, image_to_text_folder: Path, default_models: Path) -> Path:
    """Where models are looked for if nobody says where; the Hub has a repository as people publish them."""
    files = {path.name: path.read_bytes() for path in (image_to_text_folder / "my-git").iterdir()}
    hub.repos = {REPO: {**files, **NOT_TAKEN, "README.md": b"---\nlicense: mit\n---\n\nA tiny GIT."}}
    return default_models


@pytest.fixture
def terminal(default_folder: Path) -> Terminal:
    return typed


def test_fetched_once_recorded_captioning_and_removed(
    terminal: Terminal, hub: FakeHub, default_folder: Path, image_to_text_folder: Path, photo: Path
) -> None:
    code, out, said = terminal("caption", photo, "--model", ASKED)
    assert code != 0 and f"python -m clipcap_ext download {ASKED}" in said and not out
    assert hub.requests == []
    assert terminal("download", ASKED)[0] == 0
    folder = default_folder / NAME
    assert {path.name for path in folder.iterdir()} == {"hub.json", *set(hub.repos[REPO]) - set(NOT_TAKEN)}
    origin = json.loads((folder / "hub.json").read_text())
    assert (origin["repo"], origin["revision"], origin["commit"]) == (REPO, "main", hub.commit)
    assert find_model(NAME).config.training["hub"]["commit"] == hub.commit
    assert not (default_folder / "hub" / NAME).exists()  # kept once
    asked = list(hub.requests)
    said_here = terminal("caption", photo, "--model", image_to_text_folder / "my-git")
    for name in (ASKED, NAME):
        assert terminal("caption", photo, "--model", name)[:2] == said_here[:2] == (0, said_here[1])
    rows = {row["name"]: row for row in map(json.loads, terminal("models", "--json")[1].splitlines())}
    assert (rows[NAME]["state"], rows[NAME]["kind"]) == ("downloaded", "transformers")
    assert terminal("download", ASKED)[0] == 0 and hub.requests == asked
    assert terminal("models", "--remove", ASKED, "--yes")[0] == 0 and not folder.exists()


def test_a_revision_is_resolved_when_it_is_asked_for(
    terminal: Terminal, hub: FakeHub, default_folder: Path
) -> None:
    assert terminal("download", ASKED, "--revision", "v1")[0] == 0
    assert f"/api/models/{REPO}/revision/v1" in {path.partition("?")[0] for _, path in hub.requests}
    origin = json.loads((default_folder / NAME / "hub.json").read_text())
    assert (origin["revision"], origin["commit"]) == ("v1", hub.commit)
    code, _, said = terminal("download", ASKED, "--revision", "v2")
    assert code == 1 and f"models --remove {NAME}" in said


def test_weights_in_shards(terminal: Terminal, hub: FakeHub, default_folder: Path, photo: Path) -> None:
    files = hub.repos[REPO]
    whole = load(files.pop("model.safetensors"))
    names = sorted(whole)
    places = {name: f"model-0000{1 + (name > names[20])}-of-00002.safetensors" for name in names}
    for file in set(places.values()):
        files[file] = save({name: whole[name] for name in names if places[name] == file}, {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    assert terminal("download", ASKED)[0] == 0
    code, out, said = terminal("caption", photo, "--model", NAME)
    assert code == 0 and out.startswith(f"{photo}\t"), said


def pickled(content: bytes, **more: object) -> bytes:
    """What torch.save makes of the weights in a safetensors file, two of them tied, as in a model."""
    state: dict[str, object] = {**load(content), **more}
    state["tied.weight"] = state[sorted(state)[0]]
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_weights_in_the_older_form_become_safetensors(
    terminal: Terminal, hub: FakeHub, default_folder: Path, image_to_text_folder: Path, photo: Path
) -> None:
    files = hub.repos[REPO]
    files["pytorch_model.bin"] = pickled(files.pop("model.safetensors"))
    assert terminal("download", ASKED)[0] == 0
    folder = default_folder / NAME
    names = {path.name for path in folder.iterdir()}
    assert "model.safetensors" in names and "pytorch_model.bin" not in names
    assert "pytorch_model.bin" in json.loads((folder / "hub.json").read_text())["files"]
    said = terminal("caption", photo, "--model", NAME)
    assert said[:2] == terminal("caption", photo, "--model", image_to_text_folder / "my-git")[:2] and said[1]
    assert terminal("models", "--remove", NAME, "--yes")[0] == 0 and not folder.exists()


class Runs:
    """Unpickled by pickle, it runs a program."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


def test_weights_that_would_run_something_are_not_put_in_place(
    terminal: Terminal, hub: FakeHub, default_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = hub.repos[REPO]
    files["pytorch_model.bin"] = pickled(files.pop("model.safetensors"), bad=Runs())
    code, _, said = terminal("download", ASKED)
    assert code == 1 and "system, which weights never need" in said
    assert not (default_folder / NAME).exists() and not (tmp_path / "ran").exists()


def test_a_folder_with_the_older_form_tells_the_command_that_makes_it_caption(
    terminal: Terminal, image_to_text_folder: Path, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "old one"
    shutil.copytree(image_to_text_folder / "my-git", folder)
    (folder / "pytorch_model.bin").write_bytes(pickled((folder / "model.safetensors").read_bytes()))
    (folder / "model.safetensors").unlink()
    code, _, said = terminal("caption", photo, "--model", folder)
    assert code == 1
    words = shlex.split(said[said.index("convert ") :])
    assert terminal(*words)[:2] == (0, f"{folder / 'model.safetensors'}\n")
    assert terminal("caption", photo, "--model", folder)[0] == 0
    code, _, said = terminal(*words)
    assert code == 1 and "is there already" in said


def test_a_known_one_is_fetched_by_its_name_or_its_repository(
    terminal: Terminal, hub: FakeHub, default_folder: Path, photo: Path
) -> None:
    known = KNOWN_MODELS[0]
    usable = [model for model in KNOWN_MODELS if not problem_to_fetch(model)]
    hub.repos[known.repo] = hub.repos.pop(REPO)
    rows = {row["name"]: row for row in map(json.loads, terminal("models", "--json")[1].splitlines())}
    assert {rows[model.name]["state"] for model in usable} == {"to download"}
    code, _, said = terminal("caption", photo, "--model", known.name)
    assert code == 1 and f"python -m clipcap_ext download {known.name}" in said and hub.requests == []
    assert terminal("download", known.name)[0] == 0
    asked = list(hub.requests)
    assert terminal("download", f"hf:{known.repo}")[0] == 0 and hub.requests == asked
    assert terminal("caption", photo, "--model", known.name)[0] == 0
    rows = {row["name"]: row for row in map(json.loads, terminal("models", "--json")[1].splitlines())}
    assert rows[known.name]["state"] == "downloaded"


def test_an_entry_of_ones_own_names_no_such_model(default_folder: Path) -> None:
    default_folder.mkdir(parents=True)
    entry = {"mine": {"repo": REPO, "kind": "transformers"}}
    (default_folder / "models.json").write_text(json.dumps({"format": FORMAT, "models": entry}))
    with pytest.raises(CheckpointError, match=f"needs no entry. Fetch it: .* download {ASKED}"):
        read_own_models(default_folder)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [({"config.json": b'{"model_type": "llama"}'}, "of type 'llama'"),
     ({"config.json": b"not json"}, "config.json"),
     ({"model.safetensors": None, "pytorch_model.bin": None}, "holds no model.safetensors")],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_before_its_weights_are_fetched(
    terminal: Terminal, hub: FakeHub, default_folder: Path, spoil: dict[str, bytes | None], reason: str
) -> None:
    files = {**hub.repos[REPO], **spoil}
    hub.repos[REPO] = {path: content for path, content in files.items() if content is not None}
    code, _, said = terminal("download", ASKED)
    assert code == 1 and reason in said
    fetched = [path for method, path in hub.requests if method == "GET" and "/api/" not in path]
    assert all("config.json" in path for path in fetched)
    assert not (default_folder / NAME).exists() and not (default_folder / "hub" / NAME).exists()


@pytest.mark.parametrize("config_is_right", [True, False])
def test_altered_files_are_never_put_in_place(
    terminal: Terminal, hub: FakeHub, default_folder: Path, monkeypatch: pytest.MonkeyPatch,
    config_is_right: bool,
) -> None:  # fmt: skip
    def right_so_far(*words: Any) -> Any:
        hub.behaviour.wrong_bytes = 99
        return check_config(*words)

    monkeypatch.setattr(repository, "check_config", right_so_far)
    hub.behaviour.wrong_bytes = 0 if config_is_right else 99
    hub.lfs = (".safetensors", ".json", ".txt", ".md")  # every file by its SHA-256
    code, _, said = terminal("download", ASKED)
    assert code == 1 and "SHA-256" in said
    assert not (default_folder / NAME).exists()
    monkeypatch.setattr(repository, "check_config", check_config)
    hub.behaviour.wrong_bytes = 0
    assert terminal("download", ASKED)[0] == 0


@pytest.mark.parametrize("asked", ["hf:", "hf:someone", "hf:../x", "hf:a/b/c", "hf:a/b--c", "hf:/etc/passwd"])
def test_what_is_no_repository_is_refused(terminal: Terminal, hub: FakeHub, asked: str) -> None:
    code, _, said = terminal("download", asked)
    assert code == 2 and "OWNER/NAME" in said and hub.requests == []


def test_a_folder_of_ones_own_is_not_written_over(
    terminal: Terminal, hub: FakeHub, default_folder: Path
) -> None:
    (default_folder / NAME).mkdir(parents=True)
    (default_folder / NAME / "mine.txt").write_text("mine")
    code, _, said = terminal("download", ASKED)
    assert code == 1 and "move it away" in said and hub.requests == []
    assert (default_folder / NAME / "mine.txt").read_text() == "mine"
