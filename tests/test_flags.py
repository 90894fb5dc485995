"""Flags join a model's defaults: a default gives way to what was asked, what was asked never silently
does."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.errors import UsageError
from clipcap_ext.flags import add_decoding_flags, given_decoding, join_options

GREEDY = DecodingOptions()
BEAMS = DecodingOptions(num_beams=3, length_penalty=1.4, no_repeat_ngram_size=3)
SBG = DecodingOptions(temperature=1.0, top_k=50, num_candidates=5, rank_by="similarity", seed=1)
DEFAULTS = st.sampled_from([GREEDY, BEAMS, SBG])

ONE_OPTION = st.one_of(
    st.tuples(st.just("temperature"), st.floats(0, 2)),
    st.tuples(st.just("num_beams"), st.integers(1, 8)),
    st.tuples(st.just("num_candidates"), st.integers(1, 8)),
    st.tuples(st.just("max_new_tokens"), st.integers(1, 50)),
    st.tuples(st.just("no_repeat_ngram_size"), st.integers(0, 4)),
)


@given(DEFAULTS, ONE_OPTION)
def test_one_of_the_main_options_always_fits_any_model(
    defaults: DecodingOptions, option: tuple[str, float]
) -> None:
    joined = join_options(defaults, dict([option]))
    assert getattr(joined, option[0]) == option[1]


@given(
    DEFAULTS,
    st.dictionaries(st.sampled_from([spec.name for spec in fields(DecodingOptions)]), st.integers(0, 4)),
)
def test_what_is_given_is_used_or_refused(defaults: DecodingOptions, options: dict[str, int]) -> None:
    try:
        joined = asdict(join_options(defaults, options))
    except UsageError:
        return
    assert {name: joined[name] for name in options} == options


@given(DEFAULTS)
def test_nothing_given_changes_nothing(defaults: DecodingOptions) -> None:
    assert join_options(defaults, {}) == defaults


def test_defaults_give_way() -> None:
    assert join_options(BEAMS, {"temperature": 0.7}) == DecodingOptions(
        temperature=0.7, no_repeat_ngram_size=3
    )
    assert join_options(SBG, {"num_beams": 4}).strategy == "beams"
    assert join_options(BEAMS, {"num_candidates": 5}).num_beams == 5
    assert join_options(BEAMS, {"num_candidates": 5}).diversity > 0
    assert join_options(BEAMS, {"num_candidates": 5, "diversity": 0.0}).diversity == 0
    assert join_options(SBG, {"num_candidates": 2}) == SBG.with_changes(num_candidates=2)
    assert join_options(SBG, {"num_candidates": 1}).rank_by == "logprob"


@pytest.mark.parametrize(
    "options", [{"temperature": 0.7, "num_beams": 3}, {"top_k": 5}, {"num_candidates": 4, "num_beams": 2}]
)
def test_what_excludes_itself_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        join_options(GREEDY, options)


def test_every_option_has_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_decoding_flags(parser)
    assert given_decoding(parser.parse_args([])) == {}
    named = {
        "rank_by": "similarity", "precision": "fast", "underscores": "kept", "task": "tags",
        "when_unsure": "short",
    }  # fmt: skip
    words = {spec.name: named.get(spec.name, "2") for spec in fields(DecodingOptions)}
    line = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert given_decoding(parser.parse_args(line)) == {name: 2 for name in words} | named
    for option in DecodingOptions.table().values():
        assert option.help in " ".join(parser.format_help().split())
