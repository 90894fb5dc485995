"""Models that are asked in words, from the Hub: a chat model in shards and a Florence-2, fetched once into
the default folder and asked there; what the installed transformers lacks, and what needs its own code, is
not fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_hub import FakeHub
from terminal import Terminal, typed
from tiny_asked import has, save_asked

from clipcap_ext.engine.image_to_text import describing
from clipcap_ext.engine.image_to_text.known_models import KNOWN_MODELS

CODE = {"modeling_own.py": b"print()", "processing_own.py": b"print()", "pytorch_model.bin": b"a pickle"}
QUICK = ("--max-new-tokens", 8)
SHARDED = {"idefics3": {"max_shard_size": "20KB"}, "florence2": {}}
KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(not has(kind), reason=f"no {kind} in this transformers"))
    for kind in SHARDED
]


@pytest.fixture
def models(default_models: Path) -> Path:
    """Where models are looked for if nobody says where."""
    return default_models


@pytest.fixture
def terminal(models: Path) -> Terminal:
    return typed


def listed(terminal: Terminal, name: str) -> dict[str, object]:
    return {row["name"]: row for row in map(json.loads, terminal("models", "--json")[1].splitlines())}[name]


@pytest.mark.parametrize("kind", KINDS)
def test_fetched_once_and_asked(
    terminal: Terminal, hub: FakeHub, models: Path, photo: Path, tmp_path: Path, kind: str
) -> None:
    source = tmp_path / kind
    source.mkdir()
    save_asked(kind, source, **SHARDED[kind])
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    hub.repos = {f"someone/{kind}": {**files, **CODE}}
    assert terminal("download", f"hf:someone/{kind}")[0] == 0
    folder = models / f"someone--{kind}"
    assert {path.name for path in folder.iterdir()} == {"hub.json", *files}
    asked = list(hub.requests)
    for words in ([], ["--task", "tags"], ["--task", "What is in it?"]):
        here = terminal("caption", photo, "--model", source, *QUICK, *words)
        assert terminal("caption", photo, "--model", f"hf:someone/{kind}", *QUICK, *words)[:2] == here[:2]
        assert here[0] == 0 and here[1].startswith(f"{photo}\t"), here
    assert hub.requests == asked


def test_what_needs_its_own_code_is_refused_before_anything_else_is_fetched(
    terminal: Terminal, hub: FakeHub, models: Path
) -> None:
    config = {
        "model_type": "florence2",
        "auto_map": {"AutoConfig": "configuration_florence2.Florence2Config"},
    }
    hub.repos = {"microsoft/Florence-2-base": {"config.json": json.dumps(config).encode(), **CODE,
                                               "model.safetensors": b"weights"}}  # fmt: skip
    code, _, said = terminal("download", "hf:microsoft/Florence-2-base")
    assert code == 1 and "is never run" in said and "hf:florence-community/Florence-2-base" in said
    fetched = [path for method, path in hub.requests if method == "GET" and "/api/" not in path]
    assert all("config.json" in path for path in fetched)
    assert not (models / "microsoft--Florence-2-base").exists()


def test_what_the_installed_transformers_lacks_is_listed_and_not_offered(
    terminal: Terminal, hub: FakeHub, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "version", lambda name: "4.46.1")
    name = "florence-community--Florence-2-base"
    row = listed(terminal, name)
    assert row["state"] == "refused" and "Florence-2 needs transformers 4.56 or newer; here is 4.46.1" in str(
        row
    )
    line = next(line for line in terminal("models")[1].splitlines() if line.startswith(name))
    assert "cannot be used: Florence-2 needs transformers 4.56" in line and "download" not in line
    code, _, said = terminal("caption", photo, "--model", name)
    assert code == 1 and "needs transformers 4.56" in said and "download" not in said
    assert listed(terminal, "HuggingFaceTB--SmolVLM-256M-Instruct")["state"] == "to download"


def test_what_a_known_model_takes_is_listed(terminal: Terminal, hub: FakeHub) -> None:
    for model in KNOWN_MODELS:
        row = listed(terminal, model.name)
        assert (
            row["memory_bytes"] == 4 * model.weights and row["licence"] and row["bytes"] >= 2 * model.weights
        )
