"""Exact drafting: whatever the draft says, the captions are the exact model's own."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_decoding import STOPS, embeds, small_lm

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.decode import decode_ids
from clipcap_ext.engine.decoding.drafting import TRIED, Draft, Drafting
from clipcap_ext.engine.decoding.rows import draws_of
from clipcap_ext.engine.decoding.stepper import Stepper
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.precision import quick
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.engine.precision.quick import IN_INT8, MadeAnew, quick_layer, replace_layers

LM = small_lm(3)
OPTIONS = st.builds(
    DecodingOptions,
    max_new_tokens=st.integers(1, 14),
    min_new_tokens=st.integers(1, 5),
    no_repeat_ngram_size=st.integers(0, 3),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.4]),
)
SAMPLES = st.builds(
    DecodingOptions,
    max_new_tokens=st.integers(1, 14),
    temperature=st.sampled_from([0.3, 1.0]),
    top_k=st.sampled_from([0, 5]),
    num_candidates=st.integers(1, 3),
    seed=st.integers(0, 9),
)


def in_int8(lm: Gpt2) -> Gpt2:
    other = small_lm(3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(quick, "NARROWEST", 1)
        assert replace_layers(other, partial(quick_layer, MadeAnew(IN_INT8))) > 1
    return other


DRAFTS = {"itself": LM, "a stranger": small_lm(4), "a worse one": small_lm(3, scale=0.9)}
if can_int8():
    DRAFTS["in 8 bits"] = in_int8(LM)


@pytest.mark.parametrize("name", DRAFTS)
@settings(max_examples=25, deadline=None)
@given(
    st.one_of(OPTIONS, SAMPLES), st.integers(1, 6), st.integers(0, 99),
    st.sampled_from([STOPS, (), range(0, 30, 2)]), st.booleans(),
)  # fmt: skip
def test_no_draft_changes_a_word(
    name: str, options: DecodingOptions, batch: int, seed: int, stops: object, padded: bool
) -> None:
    prefix, keys = embeds(LM, batch, seed=seed), [str(row) for row in range(batch)]
    mask = None
    if padded:
        mask = torch.ones(prefix.shape[:2], dtype=torch.long)
        mask[::2, :1] = 0
    asked = {"keys": keys, "attention_mask": mask}
    plain = decode_ids(Gpt2Language(LM), prefix, stops, options, **asked)
    drafted = decode_ids(
        Gpt2Language(LM), prefix, stops, options, draft=Draft(Gpt2Language(DRAFTS[name])), **asked
    )
    assert [[one.ids for one in group] for group in drafted] == [
        [one.ids for one in group] for group in plain
    ]
    for groups in zip(drafted, plain, strict=True):
        for one, other in zip(*groups, strict=True):
            assert one.sum_logprob == pytest.approx(other.sum_logprob, abs=1e-3)


def rounds(draft: Gpt2, options: DecodingOptions) -> list[int]:
    """How many rows the exact model read in each of its passes."""
    stops = torch.tensor(sorted(STOPS))
    drafting = Drafting(
        partial(Stepper, Gpt2Language(LM)),
        partial(Stepper, Gpt2Language(draft)),
        embeds(LM, 6),
        None,
        stops,
        options,
        options.max_new_tokens,
    )
    drafting.decode(draws_of(options, options.max_new_tokens, list("abcdef")))
    return drafting.rounds


@pytest.mark.parametrize(
    "options",
    [DecodingOptions(max_new_tokens=12), DecodingOptions(max_new_tokens=12, temperature=1.0, seed=1)],
)
def test_a_draft_that_is_right_is_read_once_and_a_wrong_one_more_often(options: DecodingOptions) -> None:
    assert rounds(LM, options) == [6]
    assert sum(rounds(DRAFTS["a stranger"], options)) > 6


def test_beams_are_not_drafted_and_stay_what_they_were() -> None:
    options, prefix = DecodingOptions(max_new_tokens=8, num_beams=3), embeds(LM, 3)
    keys = list("abc")
    assert decode_ids(
        Gpt2Language(LM), prefix, STOPS, options, keys=keys, draft=Draft(Gpt2Language(DRAFTS["a stranger"]))
    ) == decode_ids(Gpt2Language(LM), prefix, STOPS, options, keys=keys)


@pytest.mark.parametrize(("name", "helps"), [("itself", True), ("a stranger", False)])
def test_a_draft_that_foresees_too_little_is_no_longer_asked(name: str, helps: bool) -> None:
    draft, options = Draft(Gpt2Language(DRAFTS[name])), DecodingOptions(max_new_tokens=12)
    for batch in range(TRIED // 4):
        assert draft.helps, "it is tried first"
        prefix = embeds(LM, 4, seed=batch)
        decode_ids(Gpt2Language(LM), prefix, STOPS, options, keys=list("abcd"), draft=draft)
    assert draft.helps is helps
