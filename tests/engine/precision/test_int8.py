"""Layers in 8 bits: near the trained ones, each row by itself, and nothing of the trained ones changed."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from clipcap_ext.engine.clip.int8_tower import Int8Attention
from clipcap_ext.engine.precision import int8
from clipcap_ext.engine.precision.int8 import Int8Linear, can_int8, int8_layer, replace_layers

pytestmark = pytest.mark.skipif(not can_int8(), reason="this torch has no 8-bit layers")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' layers are narrower than 8 bits are worth."""
    monkeypatch.setattr(int8, "NARROWEST", 1)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@torch.inference_mode()
@pytest.mark.parametrize(("rows", "shift"), [(1, 0.0), (17, 0.0), (300, 4.0)])
def test_it_is_near_the_trained_layer(rows: int, shift: float) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(96, 40)
    inputs = numbers(rows, 96) * 3 + shift
    assert error(Int8Linear(layer.weight, layer.bias)(inputs), layer(inputs)) < 0.02


@torch.inference_mode()
def test_a_row_is_reckoned_by_itself_whatever_stands_beside_it() -> None:
    layer = Int8Linear(numbers(24, 64), numbers(24))
    inputs = numbers(33, 64, seed=2) * torch.logspace(-3, 3, 33)[:, None]  # rows of very different sizes
    together = layer(inputs)
    for row in range(33):
        assert torch.equal(layer(inputs[row : row + 1])[0], together[row])


@torch.inference_mode()
def test_rows_whose_numbers_are_all_one_are_no_trouble() -> None:
    torch.manual_seed(1)
    layer = nn.Linear(32, 8)
    same = torch.stack([torch.zeros(32), torch.full((32,), 2.5), torch.full((32,), -1e-30)])
    torch.testing.assert_close(Int8Linear(layer.weight, layer.bias)(same), layer(same), atol=0.02, rtol=0.02)


@torch.inference_mode()
def test_gpt2s_transposed_layer_is_the_same_layer() -> None:
    layer = Conv1D(48, 32)
    nn.init.normal_(layer.bias)
    inputs = numbers(2, 5, 32)
    converted = int8_layer(layer)
    assert converted is not None and converted(inputs).shape == (2, 5, 48)
    assert error(converted(inputs), layer(inputs)) < 0.02
    assert int8_layer(nn.LayerNorm(3)) is None


def test_a_layer_narrower_than_it_is_worth_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "NARROWEST", 33)
    assert [int8_layer(layer) for layer in (nn.Linear(32, 64), Conv1D(64, 32))] == [None, None]
    assert int8_layer(nn.Linear(33, 4)) is not None


@torch.inference_mode()
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_is_near_the_trained_one(batch_first: bool, masked: bool) -> None:
    torch.manual_seed(1)
    attention = nn.MultiheadAttention(64, 4, batch_first=batch_first).eval()
    inputs = numbers(3, 7, 64)
    mask = torch.full((7, 7) if batch_first else (3, 3), float("-inf")).triu_(1) if masked else None
    wanted = attention(inputs, inputs, inputs, need_weights=False, attn_mask=mask)[0]
    found = Int8Attention(attention)(inputs, inputs, inputs, need_weights=False, attn_mask=mask)[0]
    assert error(found, wanted) < 0.05


def test_every_layer_inside_is_replaced_and_counted() -> None:
    inside = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2, bias=False)))
    assert replace_layers(inside, int8_layer) == 2
    assert inside(torch.zeros(1, 4)).shape == (1, 2)
