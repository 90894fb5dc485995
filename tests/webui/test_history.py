"""Undo in the caption box."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.webui.history import MOST_UNDO, remembered, undone

TEXTS = st.one_of(st.none(), st.sampled_from(["", " ", "a dog", "a cat", "snow"]))


def test_an_untouched_box_is_nothing_to_remember() -> None:
    assert remembered([], None) == remembered([], "") == remembered([], "  ") == []
    assert remembered(["a dog"], None) == ["a dog"]
    assert undone([], None) == (None, [])


@given(st.lists(TEXTS, max_size=2 * MOST_UNDO))
def test_undo_goes_back_through_every_text_that_was_another(texts: list[str | None]) -> None:
    history: list[str] = []
    for text in texts:
        history = remembered(history, text)
    assert len(history) <= MOST_UNDO and all(text.strip() for text in history)
    written = [text for place, text in enumerate(history) if history[place - 1 : place] != [text]]
    text, seen = "now", []
    while history:
        text, history = undone(history, text)
        seen.append(text)
    assert seen == written[::-1]
    assert undone(history, text) == (text, [])
