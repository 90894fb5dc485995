"""BLEU, ROUGE-L and CIDEr-D against numbers worked out by hand, against the toolkit, and against their own
laws."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.metrics.overlap import bleu, cider_d, rouge_l

WORDS = st.sampled_from(["a", "dog", "cat", "man", "runs", "on", "the", "red", "snow"])
SENTENCE = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
LONG_SENTENCE = st.lists(WORDS, min_size=4, max_size=9).map(" ".join)
REFERENCES = st.lists(SENTENCE, min_size=1, max_size=4)
IMAGES = st.lists(st.tuples(SENTENCE, REFERENCES), min_size=1, max_size=5)


def values(tables: dict) -> dict[str, float]:
    return {name: table.value for name, table in tables.items()}


# BLEU: unigrams 5/6, bigrams 3/5, trigrams 1/4, no common 4-gram; the second is two words against four.
@pytest.mark.parametrize(
    ("hypothesis", "references", "expected"),
    [
        ("the cat sat on the mat", ["the cat is on the mat"], [5 / 6, math.sqrt(0.5), 0.5, 0.0]),
        # No trigrams at all: the toolkit's guards make that 1e-15 / 1e-9 an order, not 0.
        (
            "a dog",
            ["a dog runs fast"],
            [math.exp(-1), math.exp(-1), 1e-2 * math.exp(-1), 1e-3 * math.exp(-1)],
        ),
        ("a a a a", ["a dog", "the a a cat"], [2 / 4, math.sqrt(2 / 4 * 1 / 3), 0.0, 0.0]),
        ("", ["a dog"], [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_bleu_by_hand(hypothesis: str, references: list[str], expected: list[float]) -> None:
    found = values(bleu([hypothesis], [references]))
    assert [found[f"BLEU-{order}"] for order in (1, 2, 3, 4)] == pytest.approx(expected, abs=1e-4)


def test_bleu_of_a_corpus_pools_counts() -> None:
    found = bleu(["a dog", "the cat sat on it"], [["a dog"], ["a cat lay on the mat"]])
    # 2/2 and 3/5 unigrams; lengths 7 against 2 + 6
    assert found["BLEU-1"].value == pytest.approx(5 / 7 * math.exp(1 - 8 / 7))
    assert found["BLEU-1"].per_image == pytest.approx([1.0, 3 / 5 * math.exp(1 - 6 / 5)])


@pytest.mark.parametrize(
    ("hypothesis", "references", "expected"),
    [
        ("a b c d", ["a c d e f"], 2.44 * 0.75 * 0.6 / (0.6 + 1.44 * 0.75)),  # common subsequence a c d
        ("a b c d", ["x", "a b c d"], 1.0),
        ("a b", ["c d"], 0.0),
        ("", ["c d"], 0.0),
    ],
)
def test_rouge_by_hand(hypothesis: str, references: list[str], expected: float) -> None:
    assert values(rouge_l([hypothesis], [references])) == {"ROUGE-L": pytest.approx(expected)}


def test_cider_is_cider_d_by_hand() -> None:
    # Two images, so every n-gram of one image has idf log 2. The second hypothesis repeats a word: counts are
    # clipped to the reference's, and one bigram too many costs exp(-1 / (2 * 6**2)). Plain CIDEr would do
    # neither.
    clipped = 2 / (math.sqrt(5) * math.sqrt(2)) + 1 / math.sqrt(2)
    table = cider_d(["a b", "c c d"], [["a b"], ["c d"]])["CIDEr-D"]
    assert table.per_image == pytest.approx([5.0, 10 / 4 * clipped * math.exp(-1 / 72)])
    assert table.value == pytest.approx(table.per_image.mean())


def test_cider_of_one_image_is_nothing() -> None:
    assert values(cider_d(["a dog"], [["a dog"]])) == {"CIDEr-D": 0.0}


@given(IMAGES)
@settings(max_examples=40)
def test_equal_to_the_toolkit(images: list[tuple[str, list[str]]]) -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    hypotheses, references = [text for text, _ in images], [refs for _, refs in images]
    gts, res = dict(enumerate(references)), {i: [text] for i, text in enumerate(hypotheses)}
    with contextlib.redirect_stdout(io.StringIO()):
        toolkit = [*Bleu(4).compute_score(gts, res)[0], Rouge().compute_score(gts, res)[0]]
        toolkit.append(Cider().compute_score(gts, res)[0])
    ours = values(
        bleu(hypotheses, references) | rouge_l(hypotheses, references) | cider_d(hypotheses, references)
    )
    assert list(ours.values()) == pytest.approx(toolkit, abs=1e-12)


@given(IMAGES)
@settings(max_examples=40)
def test_statistics_sum_to_the_corpus_value(images: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = [text for text, _ in images], [refs for _, refs in images]
    tables = bleu(hypotheses, references) | rouge_l(hypotheses, references) | cider_d(hypotheses, references)
    for name, table in tables.items():
        assert float(table.corpus_value(table.rows.sum(0))) == pytest.approx(table.value, abs=1e-9), name
        assert table.corpus_value(table.rows) == pytest.approx(table.per_image, abs=1e-9), name
        assert np.ptp(table.resampled(np.ones((3, len(images))))) == 0, name


@given(IMAGES)
@settings(max_examples=40)
def test_in_range(images: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = [text for text, _ in images], [refs for _, refs in images]
    for name, table in (bleu(hypotheses, references) | rouge_l(hypotheses, references)).items():
        assert all(0 <= value <= 1 + 1e-6 for value in [table.value, *table.per_image]), name
    cider = cider_d(hypotheses, references)["CIDEr-D"]
    assert all(0 <= value <= 10 + 1e-6 for value in [cider.value, *cider.per_image])


@given(LONG_SENTENCE, REFERENCES, st.randoms())
@settings(max_examples=40)
def test_a_reference_itself_is_perfect_for_bleu_and_rouge(own: str, others: list[str], random) -> None:
    references = [own, *others]
    random.shuffle(references)
    for name, table in (bleu([own], [references]) | rouge_l([own], [references])).items():
        assert table.value == pytest.approx(1.0, abs=1e-6), name


@given(SENTENCE, SENTENCE)
@settings(max_examples=40)
def test_an_only_reference_itself_is_best_for_cider(own: str, other: str) -> None:
    rest_hypotheses, rest_references = ["a man", "snow"], [["a red cat"], ["the snow on a dog"]]
    same = cider_d([own, *rest_hypotheses], [[own], *rest_references])["CIDEr-D"].per_image[0]
    different = cider_d([other, *rest_hypotheses], [[own], *rest_references])["CIDEr-D"].per_image[0]
    assert same >= different - 1e-9


@given(SENTENCE, REFERENCES, st.randoms())
@settings(max_examples=40)
def test_the_order_of_references_changes_nothing(text: str, references: list[str], random) -> None:
    shuffled = random.sample(references, len(references))
    rest = ["a man"], [["a red cat"]]
    for metric in (bleu, rouge_l, cider_d):
        before, after = (
            values(metric([text, *rest[0]], [refs, *rest[1]])) for refs in (references, shuffled)
        )
        assert before == pytest.approx(after, abs=1e-12)
