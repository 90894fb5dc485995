"""What is written for a caption: dressing, trigger words, and the five policies' texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcap_ext.batch.wording import POLICIES, Wording, joined, plain_caption
from clipcap_ext.errors import UsageError

IMAGE = Path("/photos/10_rex dog/a walk.png")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("two dogs play .", "two dogs play"),
        ("  a  b .", "a b"),
        ("done", "done"),
        (" .", ""),
        ("é 犬 .", "é 犬"),
    ],
)
def test_the_models_full_stop_is_left_out(text: str, plain: str) -> None:
    assert plain_caption(text) == plain


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("a", "b", "a, b"),
        ("a.", "b", "a. b"),
        ("a,", "b", "a, b"),
        ("", "b", "b"),
        ("a", "", "a"),
        ("a", ", b", "a, b"),
        ("", "", ""),
    ],
)
def test_joined_never_doubles_punctuation(first: str, second: str, together: str) -> None:
    assert joined(first, second) == together


@pytest.mark.parametrize(
    ("wording", "old", "text"),
    [
        (Wording(), None, "a dog runs"),
        (Wording(prefix="photo of", suffix="at dawn"), None, "photo of a dog runs at dawn"),
        (Wording(suffix=", film grain"), None, "a dog runs, film grain"),
        (Wording(trigger="sks"), None, "sks, a dog runs"),
        (Wording("overwrite", trigger="sks"), "sks, old", "sks, a dog runs"),
        (Wording("append"), "my own words", "my own words, a dog runs"),
        (Wording("append"), "My own words.\n", "My own words. a dog runs"),
        (Wording("append", trigger="sks"), "sks, mine", "sks, mine, a dog runs"),
        (Wording("prepend"), "mine", "a dog runs, mine"),
        (Wording("prepend", trigger="sks"), "sks, mine", "sks, a dog runs, mine"),
        (Wording("append"), None, "a dog runs"),
        (Wording(prefix="{name} in {folder}:"), None, "a walk in rex dog: a dog runs"),
        (Wording("append", trigger="cat"), "cats sleep", "cat, cats sleep, a dog runs"),
    ],
)
def test_compose(wording: Wording, old: str | None, text: str) -> None:
    assert wording.compose("a dog runs .", IMAGE, old) == text


def test_a_trigger_that_the_caption_already_has_is_not_said_twice() -> None:
    assert Wording(trigger="a dog").compose("a dog runs .", IMAGE) == "a dog runs"
    assert Wording(trigger="sks").compose("sks, a dog .", IMAGE) == "sks, a dog"


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="skip, overwrite") as error:
        Wording("replace")
    assert "replace" in str(error.value)
    assert len(POLICIES) == 5
