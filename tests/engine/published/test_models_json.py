"""models.json: what it may say, and that whatever else it says is answered with the place and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipcap_ext.engine.catalog import find_model, list_models, list_to_fetch
from clipcap_ext.engine.folder_kinds import OF_OTHERS
from clipcap_ext.engine.published.models_json import FORMAT, read_own_models
from clipcap_ext.engine.published.published_models import PUBLISHED
from clipcap_ext.errors import CheckpointError


def write(folder: Path, models: Any) -> Path:
    (folder / "models.json").write_text(json.dumps({"format": FORMAT, "models": models}), encoding="utf-8")
    return folder


def test_folders_files_and_repositories(tmp_path: Path, tiny_clipcap: Path) -> None:
    encoder = {"model": "ViT-B-32", "pretrained": "openai", "normalize": False}
    write(
        tmp_path,
        {
            "shared": {"folder": str(tiny_clipcap)},
            "gone": {"file": "old/weights.pt", "like": "clipcap-coco"},
            "theirs": {
                "repo": "them/clipcap",
                "file": "best.pt",
                "encoder": encoder,
                "decoding": {"num_beams": 3},
            },
            "team": {"repo": "team/captioner", "revision": "v2"},
        },
    )
    assert find_model("shared", folders=[tmp_path]).config == find_model(tiny_clipcap).config
    gone = find_model("gone", folders=[tmp_path])
    assert gone.problem == f"{tmp_path / 'old' / 'weights.pt'} is not there." and gone.about.decoding == {
        "num_beams": 5
    }
    theirs, team = list_to_fetch(folders=[tmp_path])[-2:]
    assert (theirs.encoder.model, theirs.encoder.normalize, theirs.decoding) == (
        "ViT-B-32",
        False,
        {"num_beams": 3},
    )
    assert (team.repo, team.revision, team.file) == ("team/captioner", "v2", "")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"rep": "a/b"}, "unknown key 'rep'.*Did you mean repo"),
        ({"licence": "mit"}, "one of folder, file and repo is needed"),
        ({"folder": "x", "repo": "a/b"}, "no other key goes with it"),
        ({"repo": "https://huggingface.co/a/b"}, "OWNER/NAME as on the Hub"),
        ({"repo": "../b"}, "OWNER/NAME as on the Hub"),
        ({"repo": "a/b", "file": 3}, "file is a text"),
        ({"repo": "a/b", "like": "clipcap-cocoo"}, "like names no published model"),
        ({"repo": "a/b", "decoding": {"beams": 5}}, "Unknown decoding option 'beams'"),
        ({"repo": "a/b", "decoding": {"num_beams": 5, "temperature": 1.0}}, "'mine'"),
        ({"repo": "a/b", "kind": "rnn"}, "kind is clipcap or sbg"),
        ({"repo": "a/b", "encoder": "ViT-L-14"}, "encoder is a table"),
        ({"repo": "a/b", "encoder": {"model": "ViT-L-14", "normalise": True}}, "Did you mean normalize"),
        ({"repo": "a/b", "encoder": {"model": "ViT-L-14", "normalize": 1}}, "normalize is true or false"),
        ({"repo": "a/b", "gpt2": "yes"}, "gpt2 is true or false"),
        ("a/b", "a table of keys was expected"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, entry: Any, says: str) -> None:
    write(tmp_path, {"mine": entry})
    with pytest.raises(CheckpointError, match=says) as caught:
        read_own_models(tmp_path)
    assert str(tmp_path / "models.json") in str(caught.value)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", PUBLISHED[0].name, "x" * 81])
def test_names_stay_in_the_folder_and_take_nobody_elses(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: {"repo": "a/b"}})
    with pytest.raises(CheckpointError, match="a name is letters"):
        read_own_models(tmp_path)


def test_a_spoilt_file_hides_no_other_model(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("{", encoding="utf-8")
    entries = list_models(folders=[tmp_path])
    assert {entry.name for entry in entries} == {entry.name for entry in list_models()} | {"models.json"}
    assert "cannot be read as JSON" in entries[-1].problem
    assert list_to_fetch(folders=[tmp_path]) == [*PUBLISHED, *OF_OTHERS]
