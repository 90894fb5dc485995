"""What is left of a caption of which a model is not sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.judging.grammar import read_tokens
from clipcap_ext.engine.judging.shortening import shortened


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("a man in a black jacket is smoking a cigarette .", "a man ."),
        ("A young boy jumps off of a trampoline.", "A young boy."),
        ("a group of people are standing in front of a building .", "a group of people ."),
        ("a man and a woman are walking down the street", "a man and a woman"),
        ("a brown , black and white dog runs .", "a brown , black and white dog ."),
        ("a close up of a pizza and a knife .", "a close up of a pizza and a knife ."),
        ("There is a cat on the couch .", "A cat ."),
        ("in front of a house a dog runs !", "a dog !"),
        ("a dog .", "a dog ."),
        ("on the grass .", "on the grass ."),
        ("is .", "is ."),
        ("", ""),
        ("Ein Hund!", "Ein Hund!"),
        ("running running man", "man"),
    ],
)
def test_what_a_caption_is_about(text: str, about: str) -> None:
    assert shortened(text) == about


WORDS = ["a", "the", "man", "dog", "and", ",", "of", "in", "is", "running", "red", "two", ".", "with", "up"]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_it_says_nothing_new_and_what_is_short_stays(text: str) -> None:
    short = shortened(text)
    words = [token.word for token in read_tokens(text)]
    assert [token.word for token in read_tokens(short) if token.word not in words] == []
    assert len(short) <= len(text) and bool(short) == bool(text)
    assert shortened(short) == short
