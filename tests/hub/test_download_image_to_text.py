"""An image-to-text model from the Hub, by `hf:OWNER/NAME`: fetched once, checked, captioning in the default
folder; what cannot be used is refused before its weights are asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub
from PIL import Image

from clipcap_ext.__main__ import main
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.image_to_text.describing import check_config
from clipcap_ext.hub import image_to_text

ASKED, REPO, NAME = "hf:someone/tiny-git", "someone/tiny-git", "someone--tiny-git"
NOT_TAKEN = {
    "pytorch_model.bin": b"a pickle", "modeling_git.py": b"print()", "tf_model.h5": b"", "deep/x.json": b"{}",
}  # fmt: skip
Terminal = Callable[..., tuple[int, str, str]]


@pytest.fixture
def default_folder(
    hub: FakeHub, image_to_text_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where models are looked for if nobody says where; the Hub has a repository as people publish them."""
    files = {path.name: path.read_bytes() for path in (image_to_text_folder / "my-git").iterdir()}
    hub.repos = {REPO: {**files, **NOT_TAKEN, "README.md": b"---\nlicense: mit\n---\n\nA tiny GIT."}}
    monkeypatch.delenv("CLIPCAP_MODELS")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "xdg" / "clipcap-ext" / "models"


@pytest.fixture
def terminal(default_folder: Path) -> Terminal:
    def run(*words: object) -> tuple[int, str, str]:
        streams = Streams(io.StringIO(), io.StringIO())
        code = main([str(word) for word in words], streams)
        return code, streams.out.getvalue(), streams.err.getvalue()

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "a.jpg")
    return tmp_path / "a.jpg"


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
    from safetensors.torch import load, save

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


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [({"config.json": b'{"model_type": "llama"}'}, "of type 'llama'"),
     ({"config.json": b"not json"}, "config.json"),
     ({"model.safetensors": None}, "holds no model.safetensors")],
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

    monkeypatch.setattr(image_to_text, "check_config", right_so_far)
    hub.behaviour.wrong_bytes = 0 if config_is_right else 99
    hub.lfs = (".safetensors", ".json", ".txt", ".md")  # every file by its SHA-256
    code, _, said = terminal("download", ASKED)
    assert code == 1 and "SHA-256" in said
    assert not (default_folder / NAME).exists()
    monkeypatch.setattr(image_to_text, "check_config", check_config)
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
