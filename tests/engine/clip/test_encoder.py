"""The encoder: where features are normalised, what its fingerprint stands for, and what it shares with
open_clip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import CLIP_CONFIG

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.loading import build_clip, load_encoder
from clipcap_ext.errors import CheckpointError, UsageError

CONFIG = EncoderConfig("tiny-clip", "")
PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.new("RGB", (40, 30), "teal")]


@pytest.fixture
def encoder_folder(tiny_folder: Path) -> Path:
    return tiny_folder / "tiny-clip"


def test_images_have_unit_norm_only_where_asked_and_texts_always(encoder_folder: Path) -> None:
    unit, raw = (
        load_encoder(EncoderConfig("tiny-clip", "", flag), folder=encoder_folder) for flag in (True, False)
    )
    ones = torch.ones(2)
    torch.testing.assert_close(unit.encode_image(PICTURES).norm(dim=-1), ones)
    assert (raw.encode_image(PICTURES).norm(dim=-1) - 1).abs().min() > 0.01
    torch.testing.assert_close(
        torch.nn.functional.normalize(raw.encode_image(PICTURES), dim=-1), unit.encode_image(PICTURES)
    )
    torch.testing.assert_close(raw.encode_text(["a dog", "two men"]).norm(dim=-1), ones)


def test_features_are_those_of_open_clip_itself(encoder_folder: Path) -> None:
    import open_clip

    encoder = load_encoder(EncoderConfig("tiny-clip", "", False), folder=encoder_folder)
    clip = open_clip.CLIP(**CLIP_CONFIG).eval()
    state = {name: tensor.float() for name, tensor in load_file(encoder_folder / "model.safetensors").items()}
    clip.load_state_dict(state, strict=False)
    batch = torch.stack([encoder.preprocess(picture) for picture in PICTURES])
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode_image(PICTURES), clip.encode_image(batch))
        tokens = open_clip.tokenize(["a dog in the snow"], context_length=16)
        wanted = torch.nn.functional.normalize(clip.encode_text(tokens), dim=-1)
    torch.testing.assert_close(encoder.encode_text(["a dog in the snow"]), wanted)


def test_a_batch_is_its_pictures_one_by_one(encoder_folder: Path) -> None:
    encoder = load_encoder(EncoderConfig("tiny-clip", ""), folder=encoder_folder)
    together = encoder.encode_image(PICTURES)
    torch.testing.assert_close(together, torch.cat([encoder.encode_image([picture]) for picture in PICTURES]))
    tensors = torch.stack([encoder.preprocess(picture) for picture in PICTURES])
    torch.testing.assert_close(together, encoder.encode_image(tensors))
    assert together.shape == (2, encoder.clip_dim) and together.dtype == torch.float32


def test_fingerprint_changes_with_whatever_changes_features(encoder_folder: Path, tmp_path: Path) -> None:
    def fingerprint(folder: Path, normalize: bool = True) -> str:
        return load_encoder(EncoderConfig("tiny-clip", "", normalize), folder=folder).fingerprint

    first = fingerprint(encoder_folder)
    assert first == fingerprint(encoder_folder)
    assert first != fingerprint(encoder_folder, normalize=False)
    other = tmp_path / "other"
    other.mkdir()
    for path in encoder_folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert first == fingerprint(other)
    config = json.loads((other / "open_clip_config.json").read_text(encoding="utf-8"))
    config["preprocess_cfg"]["interpolation"] = "bilinear"
    (other / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert first != fingerprint(other)


def test_wrong_names_and_configurations_are_explained(encoder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="knows no model 'ViT-Q-99'"):
        load_encoder(EncoderConfig("ViT-Q-99", "openai"))
    with pytest.raises(CheckpointError, match="does not describe an encoder"):
        load_encoder(EncoderConfig("x", ""), folder=tmp_path)
    with pytest.raises(CheckpointError, match="rejects this CLIP configuration"):
        build_clip({**CLIP_CONFIG, "colour": 1})


def test_what_only_texts_need_stays_as_the_file_holds_it_until_a_text_is_read(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tiny_folder / "tiny-clip"
    shutil.copytree(folder, tmp_path / "whole")
    weights = load_file(folder / "model.safetensors")
    whole = {name: tensor.float() for name, tensor in weights.items()}
    save_file(whole, str(tmp_path / "whole" / "model.safetensors"))
    lean, full = (load_encoder(CONFIG, folder=one) for one in (folder, tmp_path / "whole"))
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(lean.encode_image(image), full.encode_image(image))
    assert (lean.clip_dim, lean.dtype, lean.cosine_scale) == (32, torch.float32, full.cosine_scale)
    halves = {name for name, tensor in lean._clip.state_dict().items() if tensor.dtype == torch.float16}
    assert halves == {name for name in weights if not name.startswith("visual.")}
    with torch.inference_mode():
        assert torch.equal(lean.encode_text(["a dog", "a"]), full.encode_text(["a dog", "a"]))
    assert {tensor.dtype for tensor in lean._clip.state_dict().values()} == {torch.float32}
    assert load_encoder(CONFIG, folder=folder).fingerprint == full.fingerprint
    half = load_encoder(CONFIG, folder=folder, dtype=torch.float16)
    assert half.dtype == torch.float16 and half.encode_text(["a dog"]).dtype == torch.float32


@pytest.mark.parametrize("name", ["ln_final.bias", "visual.ln_post.bias"])
def test_a_number_that_is_none_is_refused_when_it_is_loaded(
    tiny_folder: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(tiny_folder / "tiny-clip", tmp_path / "spoilt")
    path = tmp_path / "spoilt" / "model.safetensors"
    weights = load_file(path)
    weights[name][0] = float("nan")
    save_file(weights, str(path))
    with pytest.raises(CheckpointError, match=f"finite.*{name}|{name}.*finite"):
        load_encoder(CONFIG, folder=tmp_path / "spoilt")
