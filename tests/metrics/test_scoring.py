"""`score` as a whole: what it refuses, what its signature says and what changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext import __version__
from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics import score, score_systems

HYPOTHESES = {"b.jpg": "A dog runs.", "a.jpg": "two men play football", "c.jpg": ""}
REFERENCES = {
    "a.jpg": ["Two men play football .", "Men with a ball ."],
    "b.jpg": ["A brown dog runs .", "a dog"],
    "c.jpg": ["A girl jumps ."],
}
NO_JAVA = ("BLEU", "ROUGE-L", "CIDEr-D")


def test_values_images_and_signature() -> None:
    found = score(HYPOTHESES, REFERENCES, "words", NO_JAVA, data="my set|x", split="karpathy-test")
    assert list(found.values) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
    assert found.image_ids == ("a.jpg", "b.jpg", "c.jpg")
    assert found.tokens == ("two men play football", "a dog runs", "")
    assert found.per_image["a.jpg"]["BLEU-4"] == pytest.approx(1)
    assert found.signature == (
        f"cap|data:my-set-x|split:karpathy-test|n:3|tok:words|bleu:closest|rouge-l:beta1.2|cider:d|v:{__version__}"
    )


def test_metrics_keep_one_order() -> None:
    some = score(HYPOTHESES, REFERENCES, "words", ["CIDEr-D", "ROUGE-L"])
    assert list(some.values) == ["ROUGE-L", "CIDEr-D"]
    assert "bleu" not in some.signature


def test_the_final_full_stop_is_a_matched_word_in_the_paper_protocol() -> None:
    pair = {"a": "A cat."}, {"a": ["Two dogs ."]}
    assert score(*pair, "words", ["BLEU"]).values["BLEU-1"] == pytest.approx(0, abs=1e-6)
    assert score(*pair, "paper", ["BLEU"]).values["BLEU-1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ({}, {}, "nothing to score"),
        ({"a": "x"}, {"a": ["x"], "b": ["y"]}, "without a hypothesis: b"),
        ({"a": "x", "z": "x"}, {"a": ["x"]}, "without references: z"),
        ({"a": "x"}, {"a": []}, "empty list of references: a"),
        ({}, {f"{i}": ["x"] for i in range(9)}, "0, 1, 2, 3, 4 and 4 more"),
    ],
)
def test_images_must_match(hypotheses: dict, references: dict, message: str) -> None:
    with pytest.raises(ScoringError, match=message):
        score(hypotheses, references, "words", NO_JAVA)


@pytest.mark.parametrize("metrics", [["CIDEr"], []])
def test_unknown_metrics(metrics: list[str]) -> None:
    with pytest.raises(ScoringError, match="known: BLEU, METEOR, ROUGE-L, CIDEr-D"):
        score(HYPOTHESES, REFERENCES, "words", metrics)


WORDS = st.lists(st.sampled_from(["a", "dog", "cat", "man", "runs", ",", ".", "the"]), max_size=7).map(
    " ".join
)


IMAGES = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1
)


@given(IMAGES, st.sampled_from(["words", "paper"]), st.randoms())
@settings(max_examples=30)
def test_the_order_of_images_changes_nothing(images: dict, protocol: str, random) -> None:
    keys = random.sample(sorted(images), len(images))
    first = score(
        {k: v[0] for k, v in images.items()}, {k: v[1] for k, v in images.items()}, protocol, NO_JAVA
    )
    second = score(
        {k: images[k][0] for k in keys}, {k: images[k][1] for k in reversed(keys)}, protocol, NO_JAVA
    )
    assert first.values == second.values and first.per_image == second.per_image


def test_systems_are_scored_as_if_alone() -> None:
    systems = {"one": HYPOTHESES, "two": dict.fromkeys(REFERENCES, "a dog")}
    together = score_systems(systems, REFERENCES, "words", NO_JAVA)
    for name, hypotheses in systems.items():
        assert together[name].per_image == score(hypotheses, REFERENCES, "words", NO_JAVA).per_image
