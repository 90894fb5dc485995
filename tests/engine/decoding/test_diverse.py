"""Candidates that differ: diverse beam search against its plainest form, and its laws."""

from __future__ import annotations

import pytest
from naive_decoding import BEAMS, STOPS, embeds, naive_diverse, small_lm

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.decode import decode_ids
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.errors import UsageError

DIVERSE = BEAMS.with_changes(num_candidates=4, num_beams=4, diversity=1.5)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_cached_diverse_beams_are_naive_ones(batch: int, penalty: float) -> None:
    lm = small_lm(3)
    prefix = embeds(lm, batch)
    options = DIVERSE.with_changes(length_penalty=penalty)
    found = decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=["x"] * batch)
    for image, group in enumerate(found):
        assert [one.ids for one in group] == naive_diverse(lm, prefix[image], options)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_candidate_is_the_plain_searchs_and_all_keep_their_own_probabilities(seed: int) -> None:
    lm = small_lm(seed, vocab_size=18, scale=2.0)
    prefix = embeds(lm, 3)
    keys = list("abc")
    plain = decode_ids(Gpt2Language(lm), prefix, STOPS, DIVERSE.with_changes(diversity=0.0), keys=keys)
    for diversity in (0.1, 1.0, 50.0):
        found = decode_ids(
            Gpt2Language(lm), prefix, STOPS, DIVERSE.with_changes(diversity=diversity), keys=keys
        )
        assert [group[0].ids for group in found] == [group[0].ids for group in plain]
        for group, others in zip(found, plain, strict=True):
            known = {one.ids: one.sum_logprob for one in others}
            assert len(group) == 4
            for one in group:
                assert one.sum_logprob == pytest.approx(known.get(one.ids, one.sum_logprob), abs=1e-4)


def test_a_great_diversity_lets_no_two_searches_say_the_same_at_the_same_place() -> None:
    lm = small_lm(5)
    (group,) = decode_ids(
        Gpt2Language(lm), embeds(lm, 1), STOPS, DIVERSE.with_changes(diversity=100.0), keys=["x"]
    )
    for place in range(12):
        said = [one.ids[place] for one in group if place < len(one.ids) and one.ids[place] not in STOPS]
        assert len(set(said)) == len(said)


def test_one_candidate_has_nothing_to_differ_from() -> None:
    with pytest.raises(UsageError, match="at least 2 candidates"):
        DecodingOptions(num_beams=3, diversity=1.0)
