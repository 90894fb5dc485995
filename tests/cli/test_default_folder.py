"""Models in the default folder, with no flag that says where: every door finds them, and names the right
folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipcap_ext import load_captioner, open_image
from clipcap_ext.engine.catalog import command_for, find_model
from clipcap_ext.engine.encoder_names import load_named_encoder, model_folders
from clipcap_ext.errors import CheckpointError, ModelNotFound


@pytest.fixture(params=["CLIPCAP_MODELS", "XDG_CACHE_HOME"])
def default_folder(
    request: pytest.FixtureRequest, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A captioner and its encoder in the folder that counts where nobody names one, by either variable."""
    monkeypatch.delenv("CLIPCAP_MODELS")
    monkeypatch.setenv(request.param, str(tmp_path / "default"))
    folder = tmp_path / "default" / ("" if request.param == "CLIPCAP_MODELS" else "clipcap-ext/models")
    folder.mkdir(parents=True)
    (folder / "mine").symlink_to(tiny_folder / "tiny-clipcap", target_is_directory=True)
    (folder / "tiny-clip").symlink_to(tiny_folder / "tiny-clip", target_is_directory=True)
    said = {"format": "clipcap-ext-models-1", "models": {"named": {"folder": "mine"}}}
    (folder / "models.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.mark.parametrize("words", [[], ["--explain"], ["--json"]])
def test_caption_finds_it(
    command: Callable[..., Any], default_folder: Path, photos: Path, words: list[str]
) -> None:
    ran = command("caption", photos / "1.jpg", "--model", "named", *words)
    assert ran.code == 0 and "1.jpg" in ran.out, ran.err


def test_the_other_commands_find_it(command: Callable[..., Any], default_folder: Path) -> None:
    assert command("demo", "--model", "named").code == 0
    ran = command("models")
    assert "named" in ran.out and str(default_folder) in ran.err


def test_python_scoring_and_training_find_it(default_folder: Path, photos: Path) -> None:
    from clipcap_ext.train.clipcap.config import CaptioningConfig
    from clipcap_ext.train.encoded import load_config_encoder

    assert load_captioner("named").caption([open_image(photos / "1.jpg")])[0].text
    entry = find_model("named")
    assert entry.config is not None and not entry.problem
    assert model_folders(entry.folder, entry.config.encoder)[1].name == "tiny-clip"
    for name in ("named", "tiny-clip"):
        encoder, folders = load_named_encoder(name, "cpu")
        assert folders[-1].samefile(default_folder / "tiny-clip")
    _, folder = load_config_encoder(CaptioningConfig(encoder="tiny-clip", encoder_weights=""))
    assert folder is not None and folder.samefile(default_folder / "tiny-clip")
    assert encoder.clip_dim > 0


def test_a_folder_that_is_named_counts_alone(
    command: Callable[..., Any], default_folder: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    ran = command("caption", photos / "1.jpg", "--model", "named", "--models-dir", tmp_path / "other")
    assert ran.code == 2 and "No model named 'named'" in ran.err
    with pytest.raises(ModelNotFound):
        find_model("named", folders=[tmp_path / "other"])


def test_the_command_to_download_puts_it_where_it_is_looked_for(default_folder: Path, tmp_path: Path) -> None:
    plain = "python -m clipcap_ext download sbg-flickr8k"
    assert command_for("download sbg-flickr8k") == plain
    assert command_for("download sbg-flickr8k", folders=[default_folder]) == plain
    spaced = tmp_path / "my models"
    assert command_for("download sbg-flickr8k", folders=[spaced]) == f"{plain} --models-dir '{spaced}'"
    with pytest.raises(CheckpointError, match="--models-dir"):
        find_model("sbg-flickr8k", folders=[spaced])
    with pytest.raises(CheckpointError) as caught:
        find_model("clipcap-coco")
    assert str(default_folder / "clipcap-coco.pt") in str(caught.value)
