"""What an evaluation reads: a split of a data set, a request; and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.evaluate.dataset import load_split
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.metrics.java import find_java
from clipcap_ext.metrics.spice import check_models


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


@pytest.mark.parametrize("protocol", ["standard", "paper", "words"])
@pytest.mark.parametrize(
    ("word", "scheme", "label"),
    [
        ("test", "karpathy", "karpathy-test"), ("val", "karpathy", "karpathy-val"),
        ("all", "karpathy", "all"),
        ("karpathy", "karpathy", "karpathy-test"), ("karpathy-train", "karpathy", "karpathy-train"),
        ("random-train", "random", "random-train"),
        ("paper", "paper", "paper-test"), ("paper-train", "paper", "paper-train"),
    ],
)  # fmt: skip
def test_protocol_and_split_are_two_switches(
    protocol: str, word: str, scheme: str, label: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcap_ext.corpus.splits.HELD_OUT", 2)
    for number, photo in enumerate(sorted((data / "Images").iterdir())):
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(photo)  # else all are one to the random split
    request = EvaluationRequest(data, split=word, protocol=protocol)
    assert (request.scheme, request.load().label) == (scheme, label)


def test_a_data_set_that_marks_one_part_alone_has_that_part(data: Path) -> None:
    (data / "captions.txt").write_text("image,caption,split\n0.jpg,A dog,val\n1.jpg,A cat,val\n")
    for name in ("train", "dev", "test"):
        (data / f"Flickr_8k.{name}Images.txt").unlink()
    assert len(load_split(data, "val", "karpathy").corpus) == 2
    with pytest.raises(CorpusError, match="marks no image as test: choose --split val or all"):
        load_split(data, "test", "karpathy")


def test_splits_that_are_not_there(data: Path) -> None:
    known = "known: test, val, train, all, karpathy, paper, random, and both as in"
    with pytest.raises(UsageError, match=known):
        EvaluationRequest(data, split="dev")
    with pytest.raises(UsageError, match="Unknown split 'web-test'"):
        EvaluationRequest(data, split="web-test")
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
