"""distinct-1 and distinct-2: golden numbers, the laws that they keep, what a resample of them means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.text_statistics import text_statistics
from clipcap_ext.metrics import score
from clipcap_ext.metrics.distinct import distinct
from clipcap_ext.metrics.stored import restored, stored

WORDS = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "on", "snow"]), max_size=7).map(" ".join)
TEXTS = st.lists(WORDS, min_size=1, max_size=6)


def values(texts: list[str]) -> dict[str, float]:
    return {key: table.value for key, table in distinct(texts, [[]] * len(texts)).items()}


def test_counted_by_hand() -> None:
    """a dog runs, a dog: words a dog runs of 5; pairs (a dog) (dog runs) of 3."""
    tables = distinct(["a dog runs", "a dog"], [[], []])
    assert {key: table.value for key, table in tables.items()} == pytest.approx(
        {"distinct-1": 3 / 5, "distinct-2": 2 / 3}
    )
    assert tables["distinct-1"].per_image == pytest.approx([2 / 3, 1 / 2])  # 1/2 + 1/2 + 1 of three words
    assert values(["", ""]) == {"distinct-1": 0, "distinct-2": 0}


@given(TEXTS)
@settings(max_examples=60)
def test_it_is_what_the_statistics_count(texts: list[str]) -> None:
    said, counted = values(texts), text_statistics(texts)
    assert said == pytest.approx(
        {"distinct-1": counted["distinct_1"], "distinct-2": counted["distinct_2"]}, abs=1e-12
    )
    assert all(0 <= value <= 1 + 1e-12 for value in said.values())


@given(TEXTS, st.randoms())
@settings(max_examples=40)
def test_neither_order_nor_references_count_and_repetition_lowers(texts: list[str], random) -> None:
    shuffled = random.sample(texts, len(texts))
    assert values(shuffled) == pytest.approx(values(texts), abs=1e-12)
    assert values(texts * 2) == pytest.approx({key: one / 2 for key, one in values(texts).items()})


def test_the_interval_holds_the_value_and_the_rows_are_kept() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "c", "d", "e", "f", "g"], 5)) for _ in range(60)]
    tables = distinct(texts, [[]] * 60)
    again = restored(stored(tables))
    intervals = Bootstrap(samples=200).intervals(again)
    for key, table in tables.items():
        low, high = intervals[key]
        assert low < table.value < high and again[key].value == pytest.approx(table.value, abs=1e-6)


def test_its_name_and_part_of_the_signature() -> None:
    found = score({"a": "a dog", "b": "a dog"}, {"a": ["x"], "b": ["y"]}, "words", ["distinct"])
    assert found.values == pytest.approx({"distinct-1": 0.5, "distinct-2": 0.5})
    assert "|distinct:2|" in found.signature
