"""Checkpoint folders: what is saved comes back, and whatever does not fit is named and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig, read_config
from clipcap_ext.engine.checkpoint.folder import read_trained_on, save_checkpoint
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.errors import CheckpointError, ModelNotFound
from clipcap_ext.files import write_folder

PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.new("RGB", (40, 30), "teal")]


@pytest.fixture
def folder(tiny_clipcap: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, its encoder beside it, to be spoilt."""
    shutil.copytree(tiny_clipcap.parent, tmp_path / "models")
    return tmp_path / "models" / tiny_clipcap.name


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_saved_again_it_says_the_same(folder: Path) -> None:
    config = read_config(folder)
    model, tokenizer = load_clipcap(folder, config), load_tokenizer(folder)
    other = folder.parent / "other"
    save_checkpoint(other, model, tokenizer, config, card="# a card\n", trained_on=["b", "a", "b"])
    first, second = load_captioner(folder), load_captioner(other)
    assert [c.text for c in first.caption(PICTURES)] == [c.text for c in second.caption(PICTURES)]
    assert read_trained_on(other) == {"a", "b"} and read_trained_on(folder) == frozenset()
    assert read_config(other) == config
    assert "gpt2.lm_head.weight" not in load_file(other / "model.safetensors")


def test_output_weights_stay_tied(folder: Path) -> None:
    model = load_clipcap(folder, read_config(folder))
    assert model.gpt2.lm_head.weight is model.gpt2.transformer.wte.weight
    assert not model.training


def test_half_precision_files_load_as_float32(folder: Path) -> None:
    config = read_config(folder)
    model = load_clipcap(folder, config)
    save_checkpoint(folder, model, load_tokenizer(folder), config, card="", dtype=torch.float16)
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    again = load_clipcap(folder, config)
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name].half().float())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "other"}, '"format" is not'),
        ({"colour": 1}, "unknown keys: colour"),
        ({"encoder": {"model": "x", "crop": 1}}, "encoder has unknown keys: crop"),
        ({"encoder": 3}, "a table of keys was expected"),
        ({"decoding": {"num_beams": 0}}, "num_beams must be from 1"),
        ({"decoding": {"beams": 3}}, "Unknown decoding option 'beams'"),
    ],
)
def test_a_wrong_config_is_named(folder: Path, changes: dict, said: str) -> None:
    edit(folder, **changes)
    with pytest.raises(CheckpointError, match=said):
        read_config(folder)


@pytest.mark.parametrize("key", ["kind", "name", "model", "encoder"])
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del said[key]
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(CheckpointError, match=key):
        read_config(folder)


def spoil_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil_text(path: Path) -> None:
    path.write_text("this is no model", encoding="utf-8")


def spoil_missing(path: Path) -> None:
    state = load_file(path)
    del state["mapper.model.0.bias"]
    save_file(state, path)


def spoil_extra(path: Path) -> None:
    save_file({**load_file(path), "gpt2.extra": torch.zeros(1)}, path)


def spoil_shape(path: Path) -> None:
    save_file({**load_file(path), "mapper.model.0.bias": torch.zeros(3)}, path)


def spoil_nan(path: Path) -> None:
    state = load_file(path)
    state["mapper.model.0.bias"][0] = torch.nan
    save_file(state, path)


def spoil_dtype(path: Path) -> None:
    state = load_file(path)
    save_file({**state, "mapper.model.0.bias": state["mapper.model.0.bias"].bool()}, path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "is missing"),
        (spoil_cut, "not a readable safetensors file"),
        (spoil_text, "not a readable safetensors file"),
        (spoil_missing, r"missing \['mapper.model.0.bias'\]"),
        (spoil_extra, r"not wanted \['gpt2.extra'\]"),
        (spoil_shape, r"mapper.model.0.bias is \(3,\)"),
        (spoil_nan, "not finite"),
        (spoil_dtype, "mapper.model.0.bias holds bool, not float32"),
    ],
)
def test_wrong_weights_are_named(folder: Path, spoil: object, said: str) -> None:
    spoil(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=said):
        load_captioner(folder)


def test_an_encoder_that_does_not_fit_is_named(folder: Path) -> None:
    config = read_config(folder)
    edit(folder, encoder={"model": "nowhere", "pretrained": ""})
    with pytest.raises(ModelNotFound, match="encoder 'nowhere' is not here; looked in"):
        load_captioner(folder)
    edit(folder, encoder={"model": "ViT-Q-99", "pretrained": "openai"})
    with pytest.raises(Exception, match="knows no model 'ViT-Q-99'"):
        load_captioner(folder)
    encoder = folder.parent / config.encoder.model / "model.safetensors"
    edit(folder, encoder={"model": config.encoder.model, "pretrained": ""})
    spoil_cut(encoder)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_captioner(folder)


def test_unknown_names_are_answered_with_the_known(folder: Path) -> None:
    with pytest.raises(ModelNotFound, match=f"Did you mean {folder.name}"):
        load_captioner(folder.name[:-1] + "q", folders=[folder.parent])
    with pytest.raises(CheckpointError, match="not found there"):
        load_captioner(folder.parent)
    assert load_captioner(folder.name, folders=[folder.parent]).name == folder.name


def test_an_unknown_kind_is_answered_with_the_known(folder: Path) -> None:
    edit(folder, kind="dream")
    with pytest.raises(CheckpointError, match=r"kind 'dream'; known kinds: clipcap"):
        load_captioner(folder)


def test_a_failed_save_leaves_the_old_folder_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with write_folder(target) as partial:
        (partial / "a").write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), write_folder(target) as partial:
        (partial / "a").write_text("new", encoding="utf-8")
        raise RuntimeError
    assert (target / "a").read_text(encoding="utf-8") == "old"
    with write_folder(target) as partial:
        (partial / "b").write_text("new", encoding="utf-8")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_largest_config_survives_the_trip() -> None:
    config = CheckpointConfig(
        "clipcap",
        "n",
        {"a": 1},
        EncoderConfig("m", "p", False),
        {"num_beams": 3},
        {"preset": "é"},
        ({"signature": "s"},),
    )
    said = json.loads(config.to_json())
    assert said["encoder"] == {"model": "m", "pretrained": "p", "normalize": False}
    assert config.decoding_options() == DecodingOptions(num_beams=3)
