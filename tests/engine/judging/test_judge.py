"""Judging captions with any encoder: what a word is worth, what is marked, and that no batch decides it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_images

from clipcap_ext import load_captioner
from clipcap_ext.engine.judging import judge as judging
from clipcap_ext.engine.judging.judge import by_similarity, judge
from clipcap_ext.engine.judging.judgement import LEAST, Judgement
from clipcap_ext.errors import UsageError

SEEN = ("dog", "snow", "red")
PICTURE = torch.tensor([[1.0, 0.0, 0.7]])  # the third is a concept's probability, in no text's space


class NamesWhatIsSeen:
    """An encoder of two numbers: along the picture for each word of SEEN, across it for every other noun."""

    reads_text = True
    clip_dim = 2

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        self.batches.append(list(texts))
        rows = []
        for text in texts:
            words = re.findall(r"\w+", text.lower())
            right = sum(word in SEEN for word in words)
            rows.append([1.0 + right, 3.0 * sum(word in ("cat", "beach", "blue") for word in words)])
        return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def test_words_that_are_not_there_are_marked_and_can_be_dropped() -> None:
    judged = judge(NamesWhatIsSeen(), PICTURE, ["a red dog with a cat in the snow", "a dog"])
    first, second = judged
    assert first.unsupported == ("cat",) and second.unsupported == ()
    by_text = {word.text: word for word in first.words}
    assert set(by_text) == {"red", "dog", "cat", "snow"}
    assert by_text["cat"].without == "a red dog in the snow"
    assert by_text["cat"].gain == pytest.approx(first.similarity - 1)
    assert by_text["dog"].gain > 0 and by_text["cat"].share < LEAST
    assert second.similarity == pytest.approx(1)
    assert judge(NamesWhatIsSeen(), PICTURE, [by_text["cat"].without])[0].unsupported == ()


def test_a_sentence_is_judged_by_itself() -> None:
    text = "A dog in the snow. A cat"
    words = {word.text: word for word in judge(NamesWhatIsSeen(), PICTURE, [text])[0].words}
    alone = judge(NamesWhatIsSeen(), PICTURE, ["A dog in the snow."])[0]
    assert words["dog"].gain == pytest.approx(alone.words[0].gain)
    assert text[words["cat"].start : words["cat"].end] == "cat"
    assert words["cat"].without == "A dog in the snow."


def test_all_texts_are_read_together_each_once() -> None:
    encoder = NamesWhatIsSeen()
    judge(encoder, PICTURE, ["a dog in the snow", "a dog in the snow", "a dog in"])
    (batch,) = encoder.batches
    assert len(batch) == len(set(batch))


def test_the_nearest_comes_first_and_ties_as_given() -> None:
    judged = [Judgement("a", 0.3), Judgement("b", 0.5), Judgement("c", 0.5 + 1e-9), Judgement("d", 0.1)]
    assert [one.text for one in by_similarity(judged)] == ["b", "c", "a", "d"]


def test_an_encoder_without_a_text_tower_says_so() -> None:
    encoder = NamesWhatIsSeen()
    encoder.reads_text = False
    with pytest.raises(UsageError, match="reads no text"):
        judge(encoder, PICTURE, ["a dog"])


@given(st.lists(st.one_of(st.text(max_size=30), st.just("a cat on a beach")), max_size=4))
def test_any_text_can_be_judged(texts: list[str]) -> None:
    judged = judge(NamesWhatIsSeen(), PICTURE, texts)
    assert [one.text for one in judged] == texts
    assert all(math.isfinite(one.similarity) for one in judged)
    plain = judge(NamesWhatIsSeen(), PICTURE, texts, words=False)
    assert [one.similarity for one in plain] == [one.similarity for one in judged]
    assert all(one.words == () for one in plain)


def test_a_real_encoder_gives_the_same_whatever_is_read_beside_it(
    tiny_clipcap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_captioner(tiny_clipcap).encoder
    features = encoder.encode_image(tiny_images(1))
    texts = ["a dog runs in the snow", "two men with a red ball", "a girl"]
    together = judge(encoder, features, texts)
    monkeypatch.setattr(judging, "TOGETHER", 2)
    for text, judgement in zip(texts, together, strict=True):
        (alone,) = judge(encoder, features, [text])
        assert alone.similarity == pytest.approx(judgement.similarity, abs=1e-6)
        assert [word.gain for word in alone.words] == pytest.approx(
            [word.gain for word in judgement.words], abs=2e-6
        )
        assert alone.unsupported == judgement.unsupported
