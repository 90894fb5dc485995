"""When a model is not sure: by each measure, from config.json to the caption, and never without a rule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny import tiny_images

from clipcap_ext import load_captioner
from clipcap_ext.caption import Candidate, Caption, Doubt
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.doubt import DoubtRule, shortened_where_unsure
from clipcap_ext.errors import CheckpointError


class TwoAxes:
    """An encoder of a space of two numbers, in which "right" lies at (1, 0) and all else at (0, 1)."""

    clip_dim = 2
    concept_words = ("cat", "dog")

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0] if text == "right" else [0.0, 1.0] for text in texts])


PAIRS = (("right", -1), ("wrong", -3))
CAPTIONS = [Caption(text, "m", (Candidate(text, logprob),)) for text, logprob in PAIRS]
FEATURES = torch.tensor([[1.0, 0.0, 0.2, 0.7], [1.0, 0.0, 0.1, 0.05]])  # and what the classifier says


@pytest.mark.parametrize(
    ("measure", "least", "value"), [("similarity", 0.5, 0.0), ("evidence", 0.3, 0.1), ("logprob", -2, -3.0)]
)
def test_the_second_of_two_is_doubted(measure: str, least: float, value: float) -> None:
    sure, doubted = DoubtRule(measure, least).apply(CAPTIONS, FEATURES, TwoAxes())
    assert sure == CAPTIONS[0]
    assert doubted.doubt == Doubt(measure, pytest.approx(value), least)
    assert doubted.text == "wrong"


def test_what_the_classifier_surely_saw_and_the_caption_names_is_not_doubted() -> None:
    texts = ("two dogs", "a dogma", "a cat")
    captions = [Caption(text, "m", (Candidate(text, -9.0),)) for text in texts]
    doubted = DoubtRule("logprob", 0.0, seen=0.5).apply(captions, FEATURES[[0, 0, 0]], TwoAxes())
    assert [caption.doubt is None for caption in doubted] == [True, False, False]


def with_rule(source: Path, tmp_path: Path, rule: object) -> Path:
    """A copy of a checkpoint, its encoder beside it, with `rule` in its config.json."""
    for name in (source.name, "tiny-clip"):
        shutil.copytree(source.parent / name, tmp_path / name)
    path = tmp_path / source.name / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "doubt": rule}))
    return tmp_path / source.name


@pytest.mark.parametrize("least", [-2, 2])
def test_a_checkpoint_brings_its_rule(tiny_clipcap: Path, tmp_path: Path, least: float) -> None:
    rule = {"measure": "similarity", "least": least, "found": "on three photos"}
    folder = with_rule(tiny_clipcap, tmp_path, rule)
    assert json.loads(read_config(folder).to_json())["doubt"] == rule
    captions = load_captioner(folder).caption(tiny_images(2))
    assert [caption.doubt is not None for caption in captions] == [least == 2] * 2
    plain = load_captioner(tiny_clipcap).caption(tiny_images(2))
    assert [caption.text for caption in captions] == [caption.text for caption in plain]
    assert all(caption.doubt is None for caption in plain)


@pytest.mark.parametrize("least", [-2, 2], ids=["sure", "not sure"])
@pytest.mark.parametrize("score", [False, True], ids=["plain", "scored"])
def test_where_it_is_not_sure_it_says_what_it_is_about(
    tiny_clipcap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float, score: bool
) -> None:
    """The whole caption is the next candidate, and scored candidates are scored all."""
    monkeypatch.setattr("clipcap_ext.engine.doubt.shortened", lambda text: text[:3])
    captioner = load_captioner(with_rule(tiny_clipcap, tmp_path, {"measure": "similarity", "least": least}))
    short = captioner.default_options.with_changes(when_unsure="short")
    pairs = zip(
        captioner.caption(tiny_images(2), score=score),
        captioner.caption(tiny_images(2), short, score=score),
        strict=True,
    )
    for whole, other in pairs:
        if least == -2:
            assert other == whole
            continue
        assert other.text == whole.text[:3] != whole.text and other.doubt == whole.doubt is not None
        assert other.candidates[1:] == whole.candidates and other.candidates[0].text == other.text
        assert (other.candidates[0].similarity is not None) == score


def test_a_caption_that_is_short_already_stays() -> None:
    doubt = Doubt("logprob", -3.0, -2)
    (short,) = shortened_where_unsure([Caption("a dog .", "m", (Candidate("a dog .", -3),), doubt=doubt)])
    assert short.candidates == (Candidate("a dog .", -3),)


def test_keywords_by_hand_are_doubted_alike(tiny_sbg: Path, tmp_path: Path) -> None:
    from clipcap_ext.engine.sbg.edit import KeywordEdit

    folder = with_rule(tiny_sbg, tmp_path, {"measure": "similarity", "least": 2})
    caption = load_captioner(folder).guess_edited(tiny_images(1)[0], KeywordEdit(added=("dog",)))
    assert caption.doubt is not None and caption.doubt.value == pytest.approx(
        caption.candidates[0].similarity
    )


@pytest.mark.parametrize(
    "rule",
    [{"measure": "mood", "least": 1}, {"measure": "similarity"}, {"least": 1}, {"measure": 5, "least": 1}, 7],
)
def test_a_rule_that_is_none_is_refused(tiny_clipcap: Path, tmp_path: Path, rule: object) -> None:
    folder = with_rule(tiny_clipcap, tmp_path, rule)
    with pytest.raises(CheckpointError, match="doubt"):
        load_captioner(folder)


def test_evidence_is_no_measure_where_the_encoder_gives_none(tiny_clipcap: Path, tmp_path: Path) -> None:
    folder = with_rule(tiny_clipcap, tmp_path, {"measure": "evidence", "least": 1})
    assert load_captioner(folder).caption(tiny_images(1))[0].doubt is None
