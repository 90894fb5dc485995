"""What an evaluation reads: hypotheses from a file, a split of a data set, a request; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from clipcap_ext.errors import CaptionError, CorpusError, ScoringError, UsageError
from clipcap_ext.evaluate.dataset import load_split
from clipcap_ext.evaluate.hypotheses import read_hypotheses
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.metrics.java import find_java
from clipcap_ext.metrics.spice import check_models

IDS = ["b.jpg", "a.jpg", "c.jpg"]


def rows(*pairs: tuple[object, object]) -> str:
    return json.dumps([{"image_id": image_id, "caption": caption} for image_id, caption in pairs])


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, "x"), (1, "y"), (2, "z")],
        [("b.jpg", "x"), ("a.jpg", "y"), ("c.jpg", "z")],
        [("c", "z"), (0, "x"), ("a.jpg", "y")],
    ],
)
def test_numbers_names_and_stems(tmp_path: Path, pairs: list) -> None:
    (tmp_path / "h.json").write_text(rows(*pairs))
    found = read_hypotheses(tmp_path / "h.json", sorted(IDS), numbering=IDS)
    assert found == {"a.jpg": "y", "b.jpg": "x", "c.jpg": "z"}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (rows((0, "x"), (1, "y")), ScoringError, r"no caption for 1 of 3 images: c\.jpg"),
        (rows((0, "x"), (1, "y"), (2, "z"), (2, "z")), ScoringError, r"more than one caption for c\.jpg"),
        (
            rows((0, "x"), ("b.jpg", "x"), (1, "y"), (2, "z")),
            ScoringError,
            r"more than one caption for b\.jpg",
        ),
        (rows((0, "x"), (1, "y"), (3, "z")), ScoringError, "not in this split 3"),
        (rows((0, "x"), (1, "y"), (-1, "z")), ScoringError, "not in this split -1"),
        (rows((0, "x"), (1, "y"), ("d.jpg", "z")), ScoringError, r"not in this split d\.jpg"),
        (rows((0, "x"), (True, "y")), UsageError, "entry 1: .*True"),
        (rows((0, 5)), UsageError, "entry 0: .* is not of the form"),
        ('[{"caption": "x"}]', UsageError, "entry 0"),
        ('{"b.jpg": "x"}', UsageError, "holds dict, a list was expected"),
        ("[", UsageError, "is not JSON"),
    ],
)
def test_wrong_hypotheses(tmp_path: Path, text: str, kind: type[CaptionError], message: str) -> None:
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(kind, match=message):
        read_hypotheses(tmp_path / "h.json", IDS, numbering=IDS)


def test_no_hypotheses_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"h\.json cannot be read: No such file"):
        read_hypotheses(tmp_path / "h.json", IDS, numbering=IDS)


def test_a_stem_that_two_images_share_is_none(tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text(rows(("a", "x"), ("b.jpg", "y")))
    with pytest.raises(ScoringError, match="not in this split a"):
        read_hypotheses(tmp_path / "h.json", ["a.jpg", "a.png", "b.jpg"], numbering=[])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images whose official test list is not in the order of the captions."""
    folder = tmp_path / "toy"
    (folder / "Images").mkdir(parents=True)
    names = [f"{i}.jpg" for i in range(6)]
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / "Images" / name)
    (folder / "captions.txt").write_text(
        "image,caption\n" + "".join(f"{name},A dog {name} .\n" for name in names)
    )
    lists = {"train": ["0.jpg", "1.jpg"], "dev": ["2.jpg"], "test": ["5.jpg", "3.jpg", "4.jpg"]}
    for split, listed in lists.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(listed) + "\n")
    return folder


def test_numbers_mean_the_official_lists_order(data: Path) -> None:
    split = load_split(data, "test", "karpathy")
    assert (split.corpus.name, split.label, split.numbering) == (
        "toy",
        "karpathy-test",
        ("5.jpg", "3.jpg", "4.jpg"),
    )
    assert split.references["5.jpg"] == ("A dog 5.jpg .",)
    everything = load_split(data, "all", "karpathy")
    assert everything.label == "all" and len(everything.numbering) == 6


def test_a_limit_is_told(data: Path) -> None:
    split = load_split(data, "test", "karpathy")
    assert split.first(None) is split.first(3) is split
    assert split.first(2).label == "karpathy-test-first2" and len(split.first(2).corpus) == 2
    with pytest.raises(UsageError, match="at least 1"):
        split.first(0)


def test_splits_that_are_not_there(data: Path) -> None:
    with pytest.raises(UsageError, match="known: test, val, train, all"):
        load_split(data, "dev", "karpathy")
    with pytest.raises(CorpusError, match="last 1000"):
        load_split(data, "test", "paper")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "coco"}, "known: standard, paper, words"),
        ({"metrics": ("CIDEr",)}, "known: BLEU, METEOR"),
        ({"metrics": ()}, "known: BLEU, METEOR"),
        ({"batch_size": 0}, "at least 1"),
        ({"resamples": 0}, "at least 1"),
    ],
)
def test_a_request_is_checked(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EvaluationRequest(Path("."), **change)


def test_who_needs_java() -> None:
    assert EvaluationRequest(Path("."), metrics=("BLEU",)).needs == [find_java]
    assert EvaluationRequest(Path("."), protocol="paper").needs == [find_java]
    assert EvaluationRequest(Path("."), metrics=("SPICE", "METEOR")).needs == [find_java, check_models]
    assert EvaluationRequest(Path("."), protocol="words", metrics=("BLEU", "CIDEr-D")).needs == []


def test_metrics_by_an_encoder_need_one() -> None:
    with pytest.raises(UsageError, match=r"CLIPScore needs an encoder: name one with --clip-score"):
        EvaluationRequest(Path("."), metrics=("CLIPScore", "BLEU"))
    asked = EvaluationRequest(Path("."), metrics=("SPICE", "BLEU"), clip_score="tiny-clip")
    assert asked.metrics == ("BLEU", "SPICE", "CLIPScore")
