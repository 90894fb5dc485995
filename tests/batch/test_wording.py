"""What is written for a caption: dressing, trigger words, and the five policies' texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcap_ext.batch.wording import POLICIES, Wording, joined
from clipcap_ext.caption_text import plain_caption
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


def test_keywords_are_written_as_tags_alone_or_behind_the_sentence() -> None:
    seen = ("dog", "snow", "night")
    assert Wording(form="tags").compose("a dog runs .", IMAGE, None, seen) == "dog, snow, night"
    both = Wording("append", trigger="sks", form="sentence+tags")
    once = both.compose("a dog runs .", IMAGE, "mine", seen)
    assert once == "sks, mine, a dog runs, snow, night"
    assert both.compose("a dog runs .", IMAGE, once, seen) == once
    assert Wording(form="tags").compose("a dog runs .", IMAGE) == "dog, runs"
    with pytest.raises(UsageError, match="sentence, tags"):
        Wording(form="poem")


def test_a_trigger_that_the_caption_already_has_is_not_said_twice() -> None:
    assert Wording(trigger="a dog").compose("a dog runs .", IMAGE) == "a dog runs"
    assert Wording(trigger="sks").compose("sks, a dog .", IMAGE) == "sks, a dog"


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="skip, overwrite") as error:
        Wording("replace")
    assert "replace" in str(error.value)
    assert len(POLICIES) == 5


@pytest.mark.parametrize(
    ("trigger", "caption", "text"),
    [
        ("a man", "a man in a hat .", "a man in a hat"),
        ("a man", "a mandolin player .", "a man, a mandolin player"),
        ("A man", "a man in a hat .", "A man in a hat"),
        ("sks", "sks .", "sks"),
        ("sks", ".", "sks"),
        ("a_b", "a_b_c", "a_b, a_b_c"),
        ("rex", "rex: a dog", "rex: a dog"),
    ],
)
def test_a_caption_that_begins_with_the_trigger_is_left_as_it_is(
    trigger: str, caption: str, text: str
) -> None:
    assert Wording(trigger=trigger).compose(caption, IMAGE) == text


@pytest.mark.parametrize(
    ("policy", "old", "text"),
    [
        ("append", "mine, a dog runs", "mine, a dog runs"),
        ("append", "mine. a dog runs\n", "mine. a dog runs"),
        ("append", "a dog runs", "a dog runs"), ("append", "not a dog runs", "not a dog runs, a dog runs"),
        ("prepend", "a dog runs, mine", "a dog runs, mine"),
        ("prepend", "a dog runs fast", "a dog runs, a dog runs fast"),
        ("append", "a man in a hat", "a man in a hat, a dog runs"),
        ("prepend", "a man in a hat", "a dog runs, a man in a hat"),
    ],
)  # fmt: skip
def test_what_is_added_is_added_once(policy: str, old: str, text: str) -> None:
    wording = Wording(policy)
    assert wording.compose("a dog runs .", IMAGE, old) == text
    dressed = Wording(policy, "photo of", "at dawn", "sks")
    once = dressed.compose("a dog runs .", IMAGE, old)
    assert dressed.compose("a dog runs .", IMAGE, once) == once


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("/x/10_rex/a.png", "a rex: c"), ("/x/1_/a.png", "a 1_: c"), ("/x/10 rex/a.png", "a 10 rex: c"),
        ("/x/a 10_b/a.png", "a a 10_b: c"), ("/x/y/{folder}.png", "{folder} y: c"),
        ("/x/3_4_b/a.png", "a 4_b: c"),
    ],
)  # fmt: skip
def test_a_pictures_own_name_and_folder(image: str, text: str) -> None:
    assert Wording(prefix="{name} {folder}:").compose("c", Path(image)) == text


def test_a_relative_picture_has_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7_cat").mkdir()
    monkeypatch.chdir(tmp_path / "7_cat")
    assert Wording(prefix="{folder}:").compose("c", Path("a.png")) == "cat: c"


def test_what_utf8_has_no_bytes_for_is_told_and_does_not_end_a_run() -> None:
    text = Wording(prefix="{name}", trigger="\ud83d\ude00 \ud83d").compose("c", Path("/x/caf\udce9.png"))
    assert text == "\U0001f600 \ufffd, caf\ufffd c"
    assert text.encode("utf-8")
