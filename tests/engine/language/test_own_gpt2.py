"""Our GPT-2 beside transformers': the same names and numbers, whatever is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipcap_ext.engine.language import own_gpt2
from clipcap_ext.engine.language.gpt2 import build_gpt2, empty_gpt2

SIZES = {"vocab_size": 60, "n_positions": 40, "n_embd": 32, "n_layer": 2, "n_head": 4}


def pair(seed: int) -> tuple[Any, Any]:
    """transformers' GPT-2 with weights that are far from its random ones, and ours with the same."""
    torch.manual_seed(seed)
    theirs: Any = build_gpt2(SIZES).eval()
    ours: Any = empty_gpt2(SIZES).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    names = {name for name, _ in theirs.named_parameters(remove_duplicate=False)}
    assert names == {name for name, _ in ours.named_parameters(remove_duplicate=False)}
    ours.load_state_dict(dict(theirs.named_parameters(remove_duplicate=False)))
    assert ours.lm_head.weight is ours.transformer.wte.weight
    return theirs, ours


def same(made: Any, wanted: Any, read: Tensor) -> None:
    torch.testing.assert_close(
        made.last_hidden_state[read], wanted.last_hidden_state[read], rtol=1e-4, atol=1e-5
    )


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 4), st.booleans())
@torch.no_grad()
def test_hidden_states_are_transformers(seed: int, length: int, rows: int, padded: bool) -> None:
    theirs, ours = pair(seed)
    embeds = torch.randn(rows, length, 32)
    mask, positions = None, None
    read = torch.ones(rows, length, dtype=torch.long)
    if padded:  # on the left, another number in each row
        for row in range(rows):
            read[row, : (row * 3) % length] = 0
        mask, positions = read, (read.cumsum(1) - 1).clamp_min(0)
    given_ = {"attention_mask": mask, "position_ids": positions, "use_cache": True}
    wanted, made = (model.transformer(inputs_embeds=embeds, **given_) for model in (theirs, ours))
    same(made, wanted, read.bool())
    for new in (1, 3):  # behind the cache: one token, then several at once
        ids = torch.randint(0, 60, (rows, new))
        if mask is not None:
            mask = torch.cat((mask, torch.ones(rows, new, dtype=torch.long)), dim=1)
            positions = (mask.cumsum(1) - 1)[:, -new:]
        given_ = {"attention_mask": mask, "position_ids": positions, "use_cache": True}
        wanted = theirs.transformer(ids, past_key_values=wanted.past_key_values, **given_)
        made = ours.transformer(ids, past_key_values=made.past_key_values, **given_)
        same(made, wanted, torch.ones(rows, new, dtype=torch.bool))


@torch.no_grad()
def test_a_memory_that_outgrows_its_room_and_changes_its_rows_forgets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_gpt2, "ROOM", 2)
    theirs, ours = pair(4)
    ids = torch.randint(0, 60, (3, 12))
    memory = ours.transformer(ids[:, :2], use_cache=True).past_key_values
    for step in range(2, 12):
        if step == 6:  # one leaves, one is there twice, the order is another
            rows = torch.tensor([2, 0, 2, 2])
            memory.reorder_cache(rows)
            ids = ids[rows]
        made = ours.transformer(ids[:, step : step + 1], past_key_values=memory, use_cache=True)
        assert made.past_key_values is memory and memory.tokens == step + 1
    torch.testing.assert_close(
        made.last_hidden_state[:, -1], theirs.transformer(ids).last_hidden_state[:, -1], rtol=1e-4, atol=1e-5
    )


def test_what_is_read_behind_a_memory_can_be_learnt_from() -> None:
    theirs, ours = pair(6)
    ids = torch.randint(0, 60, (2, 5))
    for model in (theirs, ours):
        memory = model.transformer(ids[:, :3], use_cache=True).past_key_values
        model.transformer(ids[:, 3:], past_key_values=memory, use_cache=True)[0].sum().backward()
    wanted, made = (model.transformer.h[0].attn.c_attn.weight.grad for model in (theirs, ours))
    torch.testing.assert_close(made, wanted, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_logits_are_those_of_every_position() -> None:
    theirs, ours = pair(5)
    ids = torch.randint(0, 60, (2, 7))
    torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-4, atol=1e-4)
    assert (ours.dtype, ours.device) == (theirs.dtype, theirs.device)


@torch.no_grad()
def test_nothing_is_kept_that_was_not_asked_for() -> None:
    ours: Any = empty_gpt2(SIZES)
    assert ours.transformer(torch.zeros(1, 3, dtype=torch.long), use_cache=False).past_key_values is None


def test_gradients_are_transformers_too() -> None:
    theirs, ours = pair(3)
    ids = torch.randint(0, 60, (2, 7))
    for model in (theirs, ours):
        model.lm_head(model.transformer(ids, use_cache=False)[0]).logsumexp(-1).sum().backward()
    for name, parameter in theirs.named_parameters():
        grad = dict(ours.named_parameters())[name].grad
        torch.testing.assert_close(grad, parameter.grad, rtol=1e-3, atol=1e-4)


def test_dropout_is_drawn_in_training_alone() -> None:
    model: Any = empty_gpt2({**SIZES, "resid_pdrop": 0.5})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ids = torch.randint(0, 60, (2, 7))
    assert torch.equal(model.eval().transformer(ids)[0], model.transformer(ids)[0])
    assert not torch.equal(model.train().transformer(ids)[0], model.transformer(ids)[0])
