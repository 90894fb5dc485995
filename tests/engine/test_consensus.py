"""What candidates gain by agreeing with others: laws of the likeness, and what a captioner makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_images

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.consensus import SAMPLES, agreements, sampling_beside
from clipcap_ext.engine.factory import load_captioner

TEXTS = st.lists(st.sampled_from(["a", "dog", "runs", "猫", "in"]), max_size=9).map(" ".join)
BEAMS = DecodingOptions(max_new_tokens=12, num_beams=4, num_candidates=4, rank_by="consensus")


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.lists(TEXTS, min_size=1, max_size=5))
def test_agreement_is_a_share_that_neither_order_nor_company_changes(
    candidates: list[str], others: list[str]
) -> None:
    found = agreements(candidates, others)
    assert all(0 <= one <= 1 + 1e-9 for one in found)
    assert found == pytest.approx([agreements([one], others)[0] for one in candidates])
    assert found == pytest.approx(agreements(candidates, others[::-1]))
    assert found == pytest.approx(agreements([one.upper() + " ." for one in candidates], others))


def test_agreement_is_one_with_oneself_and_none_with_a_stranger() -> None:
    assert agreements(["a dog runs ."], ["A dog runs"]) == pytest.approx([1.0])
    assert agreements(["a dog runs ."], ["two cats sleep", ""]) == [0.0]
    assert agreements(["一只猫在跑"], ["一只猫在睡"])[0] > 0.5, "words without spaces are compared, too"


def test_pairs_of_words_count_and_so_does_length() -> None:
    in_order, mixed = agreements(["a dog bites a man", "a man bites a dog"], ["a dog bites a man today"])
    assert in_order > mixed
    short, long = agreements(["a dog", "a dog a dog a dog a dog a dog"], ["a dog"])
    assert short == pytest.approx(1.0) and long < 0.7


def test_what_most_agree_on_is_put_first() -> None:
    heard = ["a dog runs in the grass .", "a brown dog runs .", "a dog is running on grass ."]
    sole, common = agreements(["a man in a red shirt .", "a dog runs on the grass ."], heard)
    assert common > 3 * sole


@pytest.fixture(params=["tiny-clipcap", "tiny-transformer", "tiny-sbg"])
def captioner(request: pytest.FixtureRequest, tiny_folder: Path) -> FeatureCaptioner:
    if request.param == "tiny-sbg":
        return load_captioner(request.getfixturevalue("tiny_sbg"))  # type: ignore[return-value]
    return load_captioner(tiny_folder / request.param)  # type: ignore[return-value]


def test_consensus_only_reorders_and_neither_company_nor_time_changes_it(captioner: FeatureCaptioner) -> None:
    images = tiny_images()
    said = captioner.caption(images, BEAMS)
    alone = [captioner.caption([image], BEAMS)[0] for image in images]
    assert [[each.text for each in one.candidates] for one in alone] == [
        [each.text for each in one.candidates] for one in said
    ]
    for one, other in zip(said, captioner.caption(images, BEAMS.with_changes(rank_by="both")), strict=True):
        assert {each.text for each in one.candidates} == {each.text for each in other.candidates}
        scores = [each.score for each in one.candidates]
        assert scores == sorted(scores, reverse=True)
        gains = {each.text: each.score for each in one.candidates}
        assert all(gains[each.text] > each.score for each in other.candidates), "all agree with themselves"


def test_samples_are_compared_with_each_other_and_beams_with_samples() -> None:
    beside = sampling_beside(BEAMS)
    assert beside is not None and (beside.num_candidates, beside.num_beams) == (SAMPLES, 1)
    sampled = BEAMS.with_changes(num_beams=1, temperature=1.0)
    assert sampling_beside(sampled) is None
    assert sampling_beside(BEAMS.with_changes(rank_by="both")) is None
