"""A caption as tags: the sentence, its keywords behind it, and no word twice."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipcap_ext.engine.judging.tags import BOTH, FORMS, SENTENCE, TAGS, in_form
from clipcap_ext.errors import UsageError

COAT = "a woman in a red coat ."
SEEN = ("woman", "snow", "street", "night")
words = st.sampled_from(
    ["dog", "dogs", "snow", "red", "coat", "bus", "buses", "horse", "horses", "night", "box"]
)
sentences = st.lists(words | st.sampled_from(["a", "in", "the", ","]), max_size=8).map(" ".join)
tags = st.lists(st.lists(words, min_size=1, max_size=3).map(" ".join), max_size=6)


@pytest.mark.parametrize(
    ("caption", "keywords", "form", "text"),
    [
        (COAT, SEEN, SENTENCE, "a woman in a red coat"),
        (COAT, SEEN, TAGS, "woman, snow, street, night"),
        (COAT, SEEN, BOTH, "a woman in a red coat, snow, street, night"),
        (COAT, (), TAGS, "woman, red coat"),
        (COAT, (), BOTH, "a woman in a red coat"),
        ("two dogs play in the snow .", ("dog", "snowy", "soccer ball", "ball"), BOTH,
         "two dogs play in the snow, snowy, soccer ball"),
        ("two dogs play in the snow .", (), TAGS, "two dogs, play, snow"),
        ("a red hat and a red coat .", (), TAGS, "red hat, coat"),
        ("a dog's ball .", ("buses", "bus", "a"), BOTH, "a dog's ball, buses"),
        ("of the .", (), TAGS, "of the"),
        ("", SEEN, BOTH, "woman, snow, street, night"),
        (" .", (), BOTH, ""),
        ("long hair, red hair, ...", ("long hair", "red hair", "..."), TAGS, "long hair, red hair, ..."),
        ("long hair, red hair, ._.", ("long hair", "red hair", "._."), BOTH, "long hair, red hair, ._."),
        ("long hair, red hair, solo", ("long hair", "red hair"), TAGS, "long hair, red hair"),
    ],
)  # fmt: skip
def test_forms(caption: str, keywords: tuple[str, ...], form: str, text: str) -> None:
    assert in_form(caption, keywords, form) == text


def test_another_form_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="sentence, tags, sentence\\+tags"):
        in_form(COAT, SEEN, "poem")


@given(sentences, tags)
@example("", ["dog dogs"])
def test_no_word_of_the_tags_was_said(sentence: str, keywords: list[str]) -> None:
    said = in_form(sentence, keywords, BOTH)
    plain = in_form(sentence, keywords, SENTENCE).rstrip(" ,")
    assert said.startswith(plain)
    singular = [re.sub("(s|es)$", "", word) for word in re.findall(r"\w+", said[len(plain) :])]
    assert len(set(singular)) == len(singular)
    before = {re.sub("(s|es)$", "", word) for word in re.findall(r"\w+", plain)}
    assert not before & set(singular)


@given(sentences, tags, st.sampled_from(FORMS))
@example(", , dog ,", [], BOTH)
@example(", ,", [], TAGS)
def test_a_form_keeps_to_itself(sentence: str, keywords: list[str], form: str) -> None:
    once = in_form(sentence, keywords, form)
    assert once == once.strip()
    plain = in_form(sentence, [], SENTENCE)  # which may hold any commas
    assert once == plain or ", ," not in once.removeprefix(plain.rstrip(" ,"))
    if form == TAGS and keywords:
        assert in_form(sentence, once.split(", "), TAGS) == once
    if form == BOTH and keywords:
        assert in_form(once, keywords, BOTH) == once
