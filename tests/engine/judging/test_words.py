"""A caption's words of meaning, and the caption without one of them: laws for any text, the words for known
ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.judging.grammar import Role, read_tokens
from clipcap_ext.engine.judging.mending import without
from clipcap_ext.engine.judging.phrases import parts_of

COAT = "A man in a red coat is holding a ball and a stick."
LIST = "a dog, a cat and an orange bird in the snow ."
GROUP = "a group of people are standing in front of a tall building"
# caption, the word left out, what is left
KNOWN = [
    (COAT, "man", "In a red coat is holding a ball and a stick."),
    (COAT, "red", "A man in a coat is holding a ball and a stick."),
    (COAT, "coat", "A man is holding a ball and a stick."),
    (COAT, "ball", "A man in a red coat is holding a stick."),
    (COAT, "stick", "A man in a red coat is holding a ball."),
    (LIST, "dog", "a cat and an orange bird in the snow ."),
    (LIST, "cat", "a dog and an orange bird in the snow ."),
    (LIST, "orange", "a dog, a cat and a bird in the snow ."),
    (LIST, "snow", "a dog, a cat and an orange bird ."),
    (GROUP, "group", "people are standing in front of a tall building"),
    (GROUP, "standing", "a group of people in front of a tall building"),
    (GROUP, "building", "a group of people are standing"),
    ("Two dogs play in the snow", "dogs", "Play in the snow"),
    ("a tall tower, night, street", "night", "a tall tower, street"),
    ("A cat. Snow, night", "cat", "Snow, night"),
    ("cat", "cat", ""),
    ("", "cat", None),
]
FUNCTION = [
    "a",
    "an",
    "the",
    "two",
    "his",
    "in",
    "on",
    "of",
    "with",
    "and",
    "or",
    ",",
    ".",
    "is",
    "are",
    "while",
]
MEANING = [
    "red",
    "orange",
    "old",
    "dog",
    "dogs",
    "men",
    "coat",
    "hour",
    "holding",
    "sits",
    "写真",
    "it's",
    "well-known",
]
WORDS = [*FUNCTION, *MEANING, "who", "not", "very", "each", "other"]
captions = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


def leave_out(text: str, word: str) -> str | None:
    tokens = read_tokens(text)
    parts = [part for part in parts_of(tokens) if tokens[part.place].text == word]
    return without(text, tokens, parts[0].leaving) if parts else None


@pytest.mark.parametrize(("text", "word", "left"), KNOWN)
def test_the_caption_without_a_word(text: str, word: str, left: str | None) -> None:
    assert leave_out(text, word) == left


def test_verbs_are_told_from_nouns_by_what_is_before_them() -> None:
    roles = {token.text: token.role for token in read_tokens("two dogs play with a play ball by a ski run")}
    assert roles["dogs"] is Role.NOUN and roles["run"] is Role.NOUN
    places = [token.role for token in read_tokens("two dogs play with a play ball") if token.text == "play"]
    assert places == [Role.VERB, Role.NOUN]


@given(st.one_of(captions, st.text(max_size=60)))
def test_every_part_is_a_word_of_its_text_and_names_itself(text: str) -> None:
    tokens = read_tokens(text)
    for part in parts_of(tokens):
        token = tokens[part.place]
        assert text[token.start : token.end] == token.text and token.text.strip()
        assert part.place in part.leaving and part.leaving <= set(range(len(tokens)))
        assert token.role in (Role.NOUN, Role.ADJECTIVE, Role.VERB)


@given(captions)
def test_without_a_word_nothing_hangs_and_nothing_is_new(text: str) -> None:
    tokens = read_tokens(text)
    for part in parts_of(tokens):
        left = without(text, tokens, part.leaving)
        assert "  " not in left and left == left.strip()
        words, before = re.findall(r"[\w'-]+", left.lower()), re.findall(r"[\w'-]+", text.lower())
        assert len(words) < len(before)
        assert is_part_of(words, before)
        if left:
            last = read_tokens(left)[-1]
            was = read_tokens(text)[-1]
            assert last.role is not Role.CONJUNCTION or was.role is Role.CONJUNCTION
            assert last.text != "," or was.text == ","
            if part.place == len(tokens) - 1:
                assert last.role is not Role.DETERMINER


def is_part_of(words: list[str], of: list[str]) -> bool:
    """In the same order, a and an being one word."""
    rest = iter("a" if word == "an" else word for word in of)
    return all(("a" if word == "an" else word) in rest for word in words)


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    tokens = read_tokens(text)
    assert [text[token.start : token.end] for token in tokens] == [token.text for token in tokens]
    for part in parts_of(tokens):
        without(text, tokens, part.leaving)
