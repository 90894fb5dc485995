"""DecodingOptions: what is refused, what is kept, and that help stands on every field."""

from __future__ import annotations

from typing import Any

import pytest

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.decoding_option import STRATEGIES
from clipcap_ext.errors import UsageError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": 0.7, "num_beams": 3}, "exclude each other"),
        ({"top_k": 5}, "top_k does nothing"),
        ({"top_p": 0.5}, "top_p does nothing"),
        ({"seed": 1}, "seed does nothing"),
        ({"num_beams": 3, "seed": 1}, "seed does nothing"),
        ({"num_candidates": 2}, "need sampling"),
        ({"num_candidates": 4, "num_beams": 3}, "need sampling"),
        ({"length_penalty": 0.5}, "without beams"),
        ({"rank_by": "similarity"}, "at least 2 candidates"),
    ],
)
def test_options_that_would_do_nothing_are_refused(changes: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        DecodingOptions(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_new_tokens": 0}, {"max_new_tokens": 1.5}, {"max_new_tokens": True}, {"num_beams": 65},
        {"num_beams": "3"},
        {"temperature": -0.1}, {"temperature": float("nan")}, {"temperature": 1.0, "top_p": 0.0},
        {"temperature": 1.0, "top_p": 1.1}, {"temperature": 10**400}, {"temperature": float("inf")},
        {"temperature": 1.0, "top_k": -1},
        {"temperature": 1.0, "seed": 1.5}, {"rank_by": "beauty"}, {"no_repeat_ngram_size": -1},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(changes: dict) -> None:
    with pytest.raises(UsageError, match=list(changes)[-1]):
        DecodingOptions(**changes)


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [({}, "greedy"), ({"temperature": 1, "top_k": 5, "seed": 3}, "sampling"), ({"num_beams": 2}, "beams")],
)
def test_strategy_follows_the_options(changes: dict, strategy: str) -> None:
    assert DecodingOptions(**changes).strategy == strategy


def test_changes_are_checked_again_and_unknown_names_listed() -> None:
    options = DecodingOptions(num_beams=3)
    assert options.with_changes(num_candidates=3).num_candidates == 3
    with pytest.raises(UsageError, match="need sampling"):
        options.with_changes(num_candidates=4)
    with pytest.raises(UsageError, match=r"beams.*known: task, max_new_tokens"):
        options.with_changes(beams=2)


def test_every_option_has_its_help() -> None:
    for name, option in DecodingOptions.table().items():
        assert option.help.endswith(".") and option.control.label, name
        assert set(option.acts_in) <= set(STRATEGIES), name


def test_an_option_is_refused_in_every_strategy_but_its_own() -> None:
    ways: dict[str, dict[str, Any]] = {
        "greedy": {}, "beams": {"num_beams": 3, "num_candidates": 2},
        "sampling": {"temperature": 1.0, "num_candidates": 2},
    }  # fmt: skip
    others: dict[str, Any] = {
        "rank_by": "similarity", "num_candidates": 3, "precision": "fast", "underscores": "kept",
        "task": "tags", "when_unsure": "short",
    }  # fmt: skip
    for name, option in DecodingOptions.table().items():
        if option.chooses:
            continue
        value = others.get(name, 2 if option.high > 1 else 0.5)
        for strategy, way in ways.items():
            if strategy in option.acts_in:
                assert getattr(DecodingOptions(**{**way, name: value}), name) == value
            else:
                with pytest.raises(UsageError):
                    DecodingOptions(**{**way, name: value})
