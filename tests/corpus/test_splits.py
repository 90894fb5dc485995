"""The splits of the tables: by image, disjoint, and refused where the data set cannot give them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.corpus import Corpus, Example, read_corpus, split_corpus
from clipcap_ext.errors import CorpusError, UsageError


def corpus(count: int, split: str | None = None) -> Corpus:
    names = [f"{number * 7919 % 100_003:06}.jpg" for number in range(count)]
    return Corpus("set", tuple(Example(name, Path(name), ("x",), split) for name in names))


@settings(max_examples=12)
@given(st.integers(2001, 2200), st.booleans())
def test_paper_split_is_by_name_and_covers_everything(count: int, validation: bool) -> None:
    whole = corpus(count)
    splits = split_corpus(whole, "paper", validation=validation)
    assert len(splits.test) == 1000 and len(splits.val) == (1000 if validation else 0)
    together = splits.train.image_ids + splits.val.image_ids + splits.test.image_ids
    assert together == sorted(whole.image_ids)


def test_karpathy_split_is_as_marked_and_leaves_the_unmarked_out() -> None:
    marks = ["train", "val", "test", None, "train"]
    examples = tuple(Example(f"{n}.jpg", Path(), ("x",), mark) for n, mark in enumerate(marks))
    splits = split_corpus(Corpus("set", examples), "karpathy")
    parts = [part.image_ids for part in (splits.train, splits.val, splits.test)]
    assert parts == [["0.jpg", "4.jpg"], ["1.jpg"], ["2.jpg"]]


def test_a_test_part_need_not_be_marked() -> None:
    examples = tuple(Example(f"{n}.jpg", Path(), ("x",), mark) for n, mark in enumerate(["train", "val"]))
    splits = split_corpus(Corpus("set", examples), "karpathy")
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1, 1, 0]


def test_what_cannot_be_split_says_what_is_lacking() -> None:
    with pytest.raises(CorpusError, match=r"Flickr_8k\.trainImages\.txt"):
        split_corpus(corpus(10), "karpathy")
    with pytest.raises(CorpusError, match="marks no image as val, so"):
        split_corpus(corpus(10, "train"), "karpathy")
    with pytest.raises(CorpusError, match="last 1000 images"):
        split_corpus(corpus(1000), "paper")
    with pytest.raises(CorpusError, match="last 2000 images"):
        split_corpus(corpus(2000), "paper", validation=True)
    with pytest.raises(UsageError, match="no split 'kaggle'; known: karpathy, paper"):
        split_corpus(corpus(3000), "kaggle")


def test_subset_keeps_order() -> None:
    whole = corpus(9)
    assert whole.subset(reversed(whole.image_ids[2:5])).image_ids == whole.image_ids[2:5]


def test_flickr8k(shared_data: Path) -> None:
    whole = read_corpus(shared_data / "flickr8k")
    official = split_corpus(whole, "karpathy")
    assert [len(part) for part in (official.train, official.val, official.test)] == [6000, 1000, 1000]
    listed = (shared_data / "flickr8k" / "Flickr_8k.testImages.txt").read_text().split()
    assert set(official.test.image_ids) == set(listed)
    paper = split_corpus(whole, "paper")
    assert [len(part) for part in (paper.train, paper.val, paper.test)] == [7091, 0, 1000]
    rows = (shared_data / "flickr8k" / "captions.txt").read_text().splitlines()
    assert {row.split(",")[0] for row in rows[-5000:]} == set(paper.test.image_ids)


def test_the_random_split_goes_by_content_alone(tmp_path: Path) -> None:
    """Renamed, copied, among others: a photo stays in its part, and the shares are as asked."""

    def laid(names: dict[str, bytes]) -> Corpus:
        for name, content in names.items():
            (tmp_path / name).write_bytes(content)
        return Corpus("own", tuple(Example(name, tmp_path / name, ("x",)) for name in names))

    def contents(part: Corpus) -> set[bytes]:
        return {example.path.read_bytes() for example in part.examples}

    few = split_corpus(laid({f"{n}.jpg": b"%d" % n for n in range(100)}), "random", share=0.2)
    others = {f"z{n}.jpg": b"%d" % (400 - n) for n in range(401)} | {"copy.jpg": b"7"}
    many = split_corpus(laid(others), "random", share=0.2)
    for part, larger in ((few.train, many.train), (few.val, many.val), (few.test, many.test)):
        assert contents(part) <= contents(larger) and len(part) > 5
    assert sum(map(len, (many.train, many.val, many.test))) == 402
    assert 50 < len(many.val) < 110 and 50 < len(many.test) < 110
    smaller = split_corpus(laid(others), "random", share=0.1)
    assert contents(smaller.test) <= contents(many.test)
    with pytest.raises(CorpusError, match="content of photos"):
        split_corpus(Corpus("own", (Example("no.jpg", tmp_path / "no.jpg", ("x",)),)), "random")
