"""What a caption may not say: each rule against its law or transformers' own, and all in every search."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_decoding import BEAMS, GREEDY, SAMPLES, STOPS, Rule, embeds, naive_beams, naive_greedy, small_lm
from transformers import (
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.decode import decode_ids, search
from clipcap_ext.engine.decoding.restrictions import (
    History,
    NoRepeatedNgram,
    NotTooShort,
    RepetitionPenalty,
    RestrictedStepper,
    restrictions_of,
)
from clipcap_ext.engine.language.gpt2_language import Gpt2Language

WAYS = pytest.mark.parametrize("options", [GREEDY, BEAMS, SAMPLES], ids=["greedy", "beams", "samples"])
RESTRICTED: dict[str, tuple[dict[str, Any], list[Rule]]] = {
    "no_repeat_ngram_size": ({"no_repeat_ngram_size": 2}, [NoRepeatNGramLogitsProcessor(2)]),
    "min_new_tokens": ({"min_new_tokens": 7}, [MinNewTokensLengthLogitsProcessor(0, 7, list(STOPS))]),
    "repetition_penalty": ({"repetition_penalty": 1.3}, [RepetitionPenaltyLogitsProcessor(1.3)]),
}  # the options, and transformers' rules of the same meaning
EACH = pytest.mark.parametrize("name", RESTRICTED)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 4))
def test_forbidden_tokens_are_those_that_repeat_an_ngram(history: list[int], size: int) -> None:
    logits = torch.zeros(1, 5)
    NoRepeatedNgram(size).apply(logits, [tuple(history)], len(history))
    grams = {tuple(history[i : i + size]) for i in range(len(history) - size + 1)}
    for token in range(5):
        repeats = tuple([*history, token][-size:]) in grams and len(history) >= size
        assert (logits[0, token] == -torch.inf) == repeats


@given(
    st.lists(
        st.lists(st.sampled_from([-torch.inf, -3.5, -1.0, 0.0, 0.25, 7.0]), min_size=9, max_size=9),
        min_size=1, max_size=4,
    ),
    st.integers(0, 12),
    st.floats(0.1, 10),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_repetition_penalty_is_transformers_own(
    rows: list[list[float]], step: int, penalty: float, random: Random
) -> None:
    histories = [tuple(random.choices(range(9), k=step)) for _ in rows]
    logits = torch.tensor(rows)
    ids = torch.tensor(histories, dtype=torch.long)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
    RepetitionPenalty(penalty).apply(logits, histories, step)
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("fewest", [1, 2, 5])
def test_no_stop_is_allowed_before_the_fewest_tokens(fewest: int) -> None:
    rule = NotTooShort(torch.tensor(STOPS), fewest)
    for step in range(7):
        logits = torch.zeros(2, 20)
        rule.apply(logits, [(0,) * step] * 2, step)
        assert (logits[:, list(STOPS)] == -torch.inf).all() == (step < fewest)
        assert logits.isinf().sum() == (4 if step < fewest else 0)


class Hasty:
    """A stepper that would end every caption at once."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.first_logits = self.step(torch.zeros(rows))

    def select(self, rows: torch.Tensor) -> None:
        self.rows = len(rows)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = torch.arange(20.0).repeat(len(tokens), 1) / 20
        logits[:, list(STOPS)] = 30
        return logits


@WAYS
@pytest.mark.parametrize("fewest", [1, 4, 9])
def test_the_best_caption_ends_just_when_it_may(options: DecodingOptions, fewest: int) -> None:
    changed = options.with_changes(min_new_tokens=fewest)
    for best, *_ in search(lambda: Hasty(3), STOPS, changed, options.max_new_tokens, list("abc")):
        assert len(best.ids) == fewest + 1 and best.ids[-1] in STOPS
        assert not set(best.ids[:-1]) & set(STOPS)


def test_the_longest_caption_wins_over_the_shortest() -> None:
    lm = small_lm()
    options = GREEDY.with_changes(max_new_tokens=3, min_new_tokens=8)
    ((one,),) = decode_ids(Gpt2Language(lm), embeds(lm, 1), STOPS, options, keys=["a"])
    assert len(one.ids) == 3 and not set(one.ids) & set(STOPS)


def test_rules_that_are_off_cost_nothing() -> None:
    assert [type(rule) for rule in restrictions_of(DecodingOptions(), torch.tensor(STOPS))] == [NotTooShort]


class Told:
    """A stepper that says nothing of its own, and a rule that notes what it is told."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.first_logits = torch.zeros(rows, 4)
        self.noted: list[tuple[int, list[History]]] = []

    def select(self, rows: torch.Tensor) -> None:
        self.rows = len(rows)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(tokens), 4)

    def apply(self, logits: torch.Tensor, histories: list[History], step: int) -> None:
        assert len(logits) == len(histories)
        self.noted.append((step, list(histories)))
        logits += 1


def test_a_rule_is_told_each_rows_own_tokens_through_every_selection() -> None:
    told = Told(2)
    stepper = RestrictedStepper(told, [told])
    assert (stepper.first_logits == 1).all()
    assert (stepper.step(torch.tensor([1, 2])) == 1).all()
    stepper.select(torch.tensor([1, 1, 0]))
    assert stepper.rows == 3
    stepper.step(torch.tensor([3, 0, 2]))
    assert told.noted == [(0, [(), ()]), (1, [(1,), (2,)]), (2, [(2, 3), (2, 0), (1, 2)])]


@WAYS
def test_no_ngram_is_said_twice_when_forbidden(options: DecodingOptions) -> None:
    lm = small_lm(2)
    forbidden = options.with_changes(no_repeat_ngram_size=2)
    found = decode_ids(Gpt2Language(lm), embeds(lm, 20), STOPS, forbidden, keys=[str(i) for i in range(20)])
    for ids in (one.ids for group in found for one in group):
        pairs = list(pairwise(ids))
        assert len(pairs) == len(set(pairs))


@EACH
@WAYS
def test_every_restriction_changes_what_is_said(options: DecodingOptions, name: str) -> None:
    lm = small_lm(2)
    changed = options.with_changes(**RESTRICTED[name][0])
    keys = [str(i) for i in range(20)]
    assert decode_ids(Gpt2Language(lm), embeds(lm, 20), STOPS, changed, keys=keys) != decode_ids(
        Gpt2Language(lm), embeds(lm, 20), STOPS, options, keys=keys
    )


@EACH
@pytest.mark.parametrize("batch", [1, 6])
def test_cached_is_naive_with_transformers_own_rules(name: str, batch: int) -> None:
    lm = small_lm(2)
    prefix = embeds(lm, batch)
    changes, rules = RESTRICTED[name]
    greedy, beams = GREEDY.with_changes(**changes), BEAMS.with_changes(**changes)
    found = [
        decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=["x"] * batch)
        for options in (greedy, beams)
    ]
    for image in range(batch):
        ids, total = naive_greedy(lm, prefix[image], greedy.max_new_tokens, rules)
        assert found[0][image][0].ids == ids
        assert found[0][image][0].sum_logprob == pytest.approx(total, abs=1e-3)
        assert [one.ids for one in found[1][image]] == naive_beams(lm, prefix[image], beams, rules)


@EACH
@WAYS
def test_batch_size_changes_nothing(options: DecodingOptions, name: str) -> None:
    lm = small_lm()
    prefix, keys = embeds(lm, 5), list("abcde")
    changed = options.with_changes(**RESTRICTED[name][0])
    together = decode_ids(Gpt2Language(lm), prefix, STOPS, changed, keys=keys)
    alone = [
        decode_ids(Gpt2Language(lm), prefix[i : i + 1], STOPS, changed, keys=keys[i : i + 1])[0]
        for i in range(5)
    ]
    assert [[one.ids for one in group] for group in together] == [
        [one.ids for one in group] for group in alone
    ]
