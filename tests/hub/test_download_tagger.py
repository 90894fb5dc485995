"""A tagger from the Hub, by `hf:OWNER/NAME` or its name: its list first, then its model; tags in the default
folder."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from fake_hub import FakeHub
from PIL import Image
from terminal import Terminal, typed
from tiny_tagger import write_tagger

from clipcap_ext.engine.catalog import list_to_fetch
from clipcap_ext.engine.tagger import describing

REPO, NAME = "SmilingWolf/wd-vit-tagger-v3", "SmilingWolf--wd-vit-tagger-v3"
NOT_TAKEN = {
    "config.json": b'{"architecture": "vit_base_patch16_224", "num_classes": 7}',
    "model.safetensors": b"weights for another library", "sw_jax_cv_config.json": b"{}",
}  # fmt: skip
RUNS = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None,
    reason="onnxruntime is not installed here: pip install .[taggers]",
)


@pytest.fixture
def folder(hub: FakeHub, tmp_path: Path, default_models: Path) -> Path:
    """Where models are looked for if nobody says where; the Hub has a tagger's repository."""
    made = write_tagger(tmp_path / "made")
    hub.repos = {REPO: {**{path.name: path.read_bytes() for path in made.iterdir()}, **NOT_TAKEN}}
    return default_models / NAME


@pytest.fixture
def terminal(folder: Path) -> Terminal:
    return typed


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (30, 20), (255, 200, 150)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@RUNS
@pytest.mark.parametrize("asked", [NAME, f"hf:{REPO}"])
def test_fetched_once_tagging_and_removed(
    terminal: Terminal, hub: FakeHub, folder: Path, photo: Path, asked: str
) -> None:
    assert NAME in {model.name for model in list_to_fetch()}
    code, _, said = terminal("download", asked)
    assert code == 0, said
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "hub.json", "model.onnx", "selected_tags.csv",
    }  # fmt: skip
    origin = json.loads((folder / "hub.json").read_text())
    assert (origin["repo"], origin["commit"]) == (REPO, hub.commit)
    requests = list(hub.requests)
    assert terminal("caption", photo, "--model", asked)[:2] == (0, f"{photo}\tred eyes, long green hair, "
                                                                   "blue sky, >_<\n")  # fmt: skip
    assert terminal("download", asked)[0] == 0 and hub.requests == requests
    rows = {row["name"]: row for row in map(json.loads, terminal("models", "--json")[1].splitlines())}
    assert (rows[NAME]["state"], rows[NAME]["kind"]) == ("downloaded", "tagger")
    assert NAME not in {model.name for model in list_to_fetch()}
    assert terminal("models", "--remove", NAME, "--yes")[0] == 0 and not folder.exists()


def test_without_onnxruntime_the_model_is_not_fetched(
    terminal: Terminal, hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "find_spec", lambda name: None)
    code, _, said = terminal("download", NAME)
    assert code == 1 and "pip install onnxruntime" in said and not folder.exists()
    assert not any("model.onnx" in path for _, path in hub.requests)


def test_a_list_of_another_form_is_refused_before_the_model(
    terminal: Terminal, hub: FakeHub, folder: Path
) -> None:
    hub.repos[REPO]["selected_tags.csv"] = b"<html>no</html>"
    code, _, said = terminal("download", NAME)
    assert code == 1 and "is no list of tags" in said and not folder.exists()
    assert not any("model.onnx" in path for _, path in hub.requests)
