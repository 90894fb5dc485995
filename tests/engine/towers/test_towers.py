"""What is defined here of other libraries' models: the same names and the same numbers, for any weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clipcap_ext.engine.clip.loading import build_clip
from clipcap_ext.engine.towers.efficientnet_lite import CLASSES, LITE0, LITE2, EfficientNetLite
from clipcap_ext.engine.towers.filling import fill_tower
from clipcap_ext.engine.towers.lite_clip import IMAGES, LiteClip, is_lite_clip
from clipcap_ext.errors import CheckpointError

TEXTS = {"context_length": 12, "vocab_size": 50, "width": 32, "heads": 2, "layers": 2}
VISION = {"timm_model_name": LITE0, **IMAGES, "image_size": 64}
CONFIG: dict[str, Any] = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXTS}
BUNDLED = Path(__file__).parents[3] / "clipcap_ext" / "bundled" / "tiny-clip-flickr8k"


def shaken(model: nn.Module, seed: int) -> nn.Module:
    """Evaluated, with statistics of batches as training leaves them."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return model.eval()


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([LITE0, LITE2]), st.integers(0, 99), st.sampled_from([(64, 64), (65, 96), (224, 224)]),
    st.booleans(),
)  # fmt: skip
def test_an_efficientnet_lite_is_timms(
    name: str, seed: int, size: tuple[int, int], channels_last: bool
) -> None:
    theirs: Any = shaken(timm.create_model(name, pretrained=False), seed)
    ours = EfficientNetLite(name, CLASSES).eval()
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, *size)
    if channels_last:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), theirs(pixels), rtol=1e-5, atol=1e-6)


@settings(max_examples=4, deadline=None)
@given(st.sampled_from([LITE0, LITE2]), st.integers(0, 99))
def test_the_bundled_kind_of_clip_is_open_clips(name: str, seed: int) -> None:
    config = {**CONFIG, "vision_cfg": {**VISION, "timm_model_name": name}}
    theirs = shaken(build_clip(config), seed)
    ours = LiteClip(**config).eval()
    assert set(ours.state_dict()) == set(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randint(1, 48, (3, 12))
    tokens[0, 5], tokens[1, 11], tokens[2, 1] = 49, 49, 49
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for made, wanted in (
            (ours.encode_image(pixels), theirs.encode_image(pixels)),
            (ours.encode_text(tokens), theirs.encode_text(tokens)),
        ):
            torch.testing.assert_close(made, wanted, rtol=1e-5, atol=1e-6)


def test_the_bundled_encoder_is_of_this_kind() -> None:
    described = json.loads((BUNDLED / "open_clip_config.json").read_text(encoding="utf-8"))
    assert is_lite_clip(described["model_cfg"])


@pytest.mark.parametrize(
    "change",
    [
        {"vision_cfg": {"layers": 2, "width": 32, "patch_size": 16, "image_size": 64}},
        {"vision_cfg": {**VISION, "timm_pool": "abs_attn"}},
        {"vision_cfg": {**VISION, "timm_proj_bias": True}},
        {"vision_cfg": {**VISION, "timm_model_name": "tf_efficientnet_lite1"}},
        {"vision_cfg": {**VISION, "timm_model_name": ["tf_efficientnet_lite0"]}},
        {"vision_cfg": {word: held for word, held in VISION.items() if word != "timm_model_name"}},
        {"text_cfg": {**TEXTS, "no_causal_mask": True}},
        {"text_cfg": {**TEXTS, "heads": 3}},
        {"text_cfg": {**TEXTS, "width": "32"}},
        {"text_cfg": []},
        {"quick_gelu": True},
    ],
)
def test_any_other_kind_is_left_to_open_clip(change: dict[str, Any]) -> None:
    assert is_lite_clip(CONFIG) and not is_lite_clip({**CONFIG, **change})


class Pair(nn.Module):
    """Weights, a count, a mask and a constant that is reckoned as it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("attn_mask", torch.full((2, 2), float("-inf")).triu_(1), persistent=False)
        self.register_buffer("steps", torch.arange(3.0), persistent=False)


def test_a_filled_model_is_one_that_was_loaded_and_holds_the_tensors_themselves() -> None:
    state = {name: torch.rand(2) for name in ("norm.weight", "norm.bias", "norm.running_mean")}
    state["norm.running_var"] = torch.ones(2)
    filled = fill_tower(Pair, state, "weights", "Fetch it again.")
    assert torch.equal(filled.steps, torch.arange(3.0)) and not filled.training  # type: ignore[arg-type]
    assert torch.equal(filled.attn_mask, Pair().attn_mask)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("logit_scale"), r"missing \['logit_scale'\]"),
        (lambda state: state.update(other=torch.zeros(1)), r"not wanted \['other'\]"),
        (lambda state: state.update({"ln_final.bias": torch.zeros(3)}), r"another shape \['ln_final.bias'\]"),
        (lambda state: state["ln_final.bias"].fill_(float("nan")), r"not finite \(ln_final.bias\)"),
        (lambda state: state["ln_final.bias"].fill_(float("-inf")), r"not finite \(ln_final.bias\)"),
    ],
)
def test_weights_of_another_model_are_refused(change: Any, said: str) -> None:
    state = build_clip(CONFIG).state_dict()
    held = fill_tower(lambda: LiteClip(**CONFIG), state, "weights", "Fetch it again.")
    assert held.ln_final.weight.data_ptr() == state["ln_final.weight"].data_ptr()
    change(state)
    with pytest.raises(CheckpointError, match=f"weights .*{said}.*Fetch it again"):
        fill_tower(lambda: LiteClip(**CONFIG), state, "weights", "Fetch it again.")
