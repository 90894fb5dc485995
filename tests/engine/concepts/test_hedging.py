"""Guesses of one kind become its general word, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.concepts.evidence import EvidenceConfig, strongest
from clipcap_ext.engine.concepts.hedging import seen_in
from clipcap_ext.errors import UsageError

TABLE = ConceptTable(
    tuple(Concept(word, kind, (number,)) for number, (word, kind) in enumerate([
        ("badger", "animal"), ("monkey", "animal"), ("fox", "animal"), ("bus", "vehicle"),
        ("lamp", "furniture"),
    ])),
    general=(Concept("animal", "animal", ()), Concept("vehicle", "vehicle", ())),
)  # fmt: skip
HEDGING = EvidenceConfig(general=0.5, guess=0.35)


def words(scores: list[float], config: EvidenceConfig = HEDGING) -> list[tuple[str, float]]:
    (seen,) = seen_in(torch.tensor([scores]), TABLE, config)
    return [(one.word, pytest.approx(one.probability, abs=1e-4)) for one in seen]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.3, 0.2, 0.1, 0.1, 0.25], [("animal", 0.6), ("lamp", 0.25), ("bus", 0.1)]),
        ([0.4, 0.2, 0.1, 0.1, 0.1], [("badger", 0.4), ("monkey", 0.2), ("fox", 0.1)]),
        ([0.2, 0.2, 0.05, 0.1, 0.0], [("badger", 0.2), ("monkey", 0.2), ("bus", 0.1)]),
        ([0.07, 0.07, 0.07, 0.3, 0.2], [("bus", 0.3), ("lamp", 0.2)]),
        ([0.0, 0.0, 0.0, 0.0, 0.0], []),
    ],
    ids=["several guesses", "one stands out", "too little together", "no kind is clear", "nothing seen"],
)
def test_guesses_of_a_kind_become_its_word(scores: list[float], expected: list[tuple[str, float]]) -> None:
    assert words(scores) == expected


def test_words_that_are_no_guesses_make_room_for_none() -> None:
    """What took the place of three is one word, so those behind them are seen."""
    assert [word for word, _ in words([0.3, 0.2, 0.1, 0.12, 0.11])] == ["animal", "bus", "lamp"]


@given(st.lists(st.floats(0, 0.2), min_size=5, max_size=5), st.integers(1, 4))
def test_without_hedging_it_is_the_strongest(scores: list[float], most: int) -> None:
    config, rows = EvidenceConfig(most=most), torch.tensor([scores])
    assert seen_in(rows, TABLE, config) == strongest(rows, TABLE.words, config)


@given(st.lists(st.floats(0, 0.19), min_size=5, max_size=5))
def test_no_image_changes_anothers_evidence(scores: list[float]) -> None:
    rows = torch.tensor([scores, [0.3, 0.2, 0.1, 0.0, 0.0], scores[::-1]])
    together = seen_in(rows, TABLE, HEDGING)
    assert together == [seen_in(row[None], TABLE, HEDGING)[0] for row in rows]


@pytest.mark.parametrize("wrong", [{"general": 1.2}, {"guess": 0.4, "general": 0.3}, {"guess": -0.1}])
def test_hedging_out_of_order_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="guess <= general"):
        EvidenceConfig(**wrong)


@pytest.mark.parametrize(
    "general",
    [Concept("plant", "plant", ()), Concept("bus", "vehicle", ()), Concept("animal", "animal", (9,))],
    ids=["no concept of its kind", "a concept's own word", "of a class itself"],
)
def test_a_general_word_stands_for_concepts_and_is_none(general: Concept) -> None:
    with pytest.raises(UsageError):
        ConceptTable(TABLE.concepts, general=(general,))
