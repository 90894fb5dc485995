"""Layers in 8 bits and in bfloat16: near the trained ones, those in 8 bits each row by itself."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from clipcap_ext.engine.clip.quick_tower import QuickAttention
from clipcap_ext.engine.precision import int8, processor, quick
from clipcap_ext.engine.precision.copies import SHORTLIST, ShortlistHead
from clipcap_ext.engine.precision.int8 import (
    FEW,
    FbgemmLinear,
    WholeLinear,
    can_int8,
    few_are_exact,
    int8_linear,
    multiplies_whole,
    rounded_int8,
)
from clipcap_ext.engine.precision.quick import IN_BF16, MadeAnew, Quick, quick_layer, replace_layers

needs_int8 = pytest.mark.skipif(not can_int8(), reason="this torch has no 8-bit layers")
needs_vnni = pytest.mark.skipif(not multiplies_whole(), reason="this processor multiplies no whole numbers")
IN_8_BITS = [
    pytest.param(Quick("int8", rounded_int8, FbgemmLinear, int8.KEPT), marks=needs_int8, id="fbgemm"),
    pytest.param(Quick("int8", rounded_int8, WholeLinear, int8.KEPT), marks=needs_vnni, id="whole"),
]
KINDS = [*IN_8_BITS, pytest.param(IN_BF16, id="bf16")]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' layers are narrower than 8 bits are worth."""
    monkeypatch.setattr(quick, "NARROWEST", 1)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(kind: Quick, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Module:
    return MadeAnew(kind).linear("", weight, bias)


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "shift"), [(1, 0.0), (17, 0.0), (300, 4.0)])
def test_it_is_near_the_trained_layer(kind: Quick, rows: int, shift: float) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(96, 40)
    inputs = numbers(rows, 96) * 3 + shift
    found = made(kind, layer.weight, layer.bias)(inputs)
    assert found.dtype == torch.float32 and error(found, layer(inputs)) < 0.02
    assert not torch.equal(found, layer(inputs))


@torch.inference_mode()
@pytest.mark.parametrize("kind", IN_8_BITS)
def test_a_row_is_reckoned_by_itself_whatever_stands_beside_it(kind: Quick) -> None:
    layer = made(kind, numbers(24, 64), numbers(24))
    inputs = numbers(33, 64, seed=2) * torch.logspace(-3, 3, 33)[:, None]  # rows of very different sizes
    together = layer(inputs)
    for row in range(33):
        assert torch.equal(layer(inputs[row : row + 1])[0], together[row])


@torch.inference_mode()
@needs_vnni
@pytest.mark.skipif(not few_are_exact(), reason="this torch has no such products")
def test_few_rows_give_the_same_numbers_by_the_products_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, bias, inputs = numbers(130, 200), numbers(130), numbers(FEW, 200, seed=4)
    layer = WholeLinear(rounded_int8(weight), bias)
    few = layer(inputs)
    monkeypatch.setattr(int8, "few_are_exact", lambda: False)
    assert torch.equal(WholeLinear(rounded_int8(weight), bias)(inputs), few)


@torch.inference_mode()
@pytest.mark.parametrize("kind", IN_8_BITS)
def test_rows_whose_numbers_are_all_one_are_no_trouble(kind: Quick) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(32, 8)
    same = torch.stack([torch.zeros(32), torch.full((32,), 2.5), torch.full((32,), -1e-30)])
    found = made(kind, layer.weight, layer.bias)(same)
    torch.testing.assert_close(found, layer(same), atol=0.02, rtol=0.02)


@needs_int8
@pytest.mark.parametrize(
    ("instruction", "kind"), [("avx2", FbgemmLinear), ("avx512_vnni", WholeLinear), ("amx_int8", WholeLinear)]
)
def test_whole_numbers_are_multiplied_where_the_processor_does_it(
    monkeypatch: pytest.MonkeyPatch, instruction: str, kind: type
) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: frozenset({instruction}))
    monkeypatch.setattr(int8, "products_are_exact", lambda: True)
    assert type(int8_linear(rounded_int8(numbers(4, 8)), None)) is kind


@needs_int8
def test_numbers_that_come_out_wrong_are_not_multiplied_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: frozenset({"avx512_vnni"}))
    monkeypatch.setattr(int8, "products_are_exact", lambda: False)
    assert type(int8_linear(rounded_int8(numbers(4, 8)), None)) is FbgemmLinear


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_the_likeliest_tokens_logits_are_exact_and_the_others_near(kind: Quick) -> None:
    weight, hidden = numbers(500, 64), numbers(3, 2, 64, seed=5)
    wanted = hidden @ weight.T  # (3, 2, 500)
    found = ShortlistHead(made(kind, weight, None), weight)(hidden)
    assert found.shape == wanted.shape and error(found, wanted) < 0.02 and not torch.equal(found, wanted)
    best = wanted.topk(SHORTLIST // 2, dim=-1)
    assert torch.equal(found.topk(SHORTLIST // 2, dim=-1).indices, best.indices)
    torch.testing.assert_close(found.gather(-1, best.indices), best.values, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_gpt2s_transposed_layer_is_the_same_layer(kind: Quick) -> None:
    layer = Conv1D(48, 32)
    nn.init.normal_(layer.bias)
    inputs = numbers(2, 5, 32)
    converted = quick_layer(MadeAnew(kind), "", layer)
    assert converted is not None and converted(inputs).shape == (2, 5, 48)
    assert error(converted(inputs), layer(inputs)) < 0.02
    assert quick_layer(MadeAnew(kind), "", nn.LayerNorm(3)) is None


def test_a_layer_narrower_than_it_is_worth_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "NARROWEST", 33)
    maker = MadeAnew(IN_BF16)
    narrow = (nn.Linear(32, 64), Conv1D(64, 32))
    assert [quick_layer(maker, "", layer) for layer in narrow] == [None, None]
    assert quick_layer(maker, "", nn.Linear(33, 4)) is not None


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_is_near_the_trained_one(kind: Quick, batch_first: bool, masked: bool) -> None:
    torch.manual_seed(1)
    attention = nn.MultiheadAttention(64, 4, batch_first=batch_first).eval()
    inputs = numbers(3, 7, 64)
    mask = torch.full((7, 7) if batch_first else (3, 3), float("-inf")).triu_(1) if masked else None
    wanted = attention(inputs, inputs, inputs, need_weights=False, attn_mask=mask)[0]
    quick_attention = QuickAttention(MadeAnew(kind), "", attention)
    found = quick_attention(inputs, inputs, inputs, need_weights=False, attn_mask=mask)[0]
    assert error(found, wanted) < 0.05


def test_every_layer_inside_is_replaced_and_counted() -> None:
    inside = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2, bias=False)))
    assert replace_layers(inside, partial(quick_layer, MadeAnew(IN_BF16))) == 2
    assert inside(torch.zeros(1, 4)).shape == (1, 2)
