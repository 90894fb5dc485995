"""Kendall's tau against its definition, the readers of the judgement files, and the published agreement
figures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.corpus import Corpus, Example, read_corpus
from clipcap_ext.errors import CorpusError, ScoringError
from clipcap_ext.evaluate.people.judgements import CROWD, EXPERT, agreements, read_judgements
from clipcap_ext.evaluate.people.kendall import kendall_tau
from clipcap_ext.metrics import score

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=30)


def tau_by_definition(pairs: list[tuple[int, int]], variant: str) -> float:
    signs = [(np.sign(a[0] - b[0]), np.sign(a[1] - b[1])) for a, b in combinations(pairs, 2)]
    surplus = sum(x * y for x, y in signs)
    if variant == "b":
        return surplus / np.sqrt(sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs))
    levels = min(len({x for x, _ in pairs}), len({y for _, y in pairs}))
    return 2 * surplus * levels / (len(pairs) ** 2 * (levels - 1))


@given(PAIRS, st.sampled_from("bc"))
@settings(max_examples=150)
def test_tau_is_its_definition(pairs: list[tuple[int, int]], variant: str) -> None:
    scores, ratings = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    found = kendall_tau(scores, ratings, variant)
    if min(len(set(scores)), len(set(ratings))) < 2:
        assert found == 0.0
    else:
        assert found == pytest.approx(tau_by_definition(pairs, variant))
        assert -1 - 1e-9 <= found <= 1 + 1e-9
        assert kendall_tau(-scores, ratings, variant) == pytest.approx(-found)
        assert kendall_tau(np.exp(scores), ratings, variant) == pytest.approx(found)  # ranks alone count


@pytest.mark.parametrize("variant", ["b", "c"])
def test_equal_scores_tie_however_they_were_summed(variant: str) -> None:
    ratings = np.array([1.0, 2.0, 2.0, 3.0])
    plain, summed = np.array([0.3, 0.3, 0.5, 0.7]), np.array([0.3, 0.1 + 0.2, 0.5, 0.7])
    assert plain[1] != summed[1]
    assert kendall_tau(summed, ratings, variant) == kendall_tau(plain, ratings, variant)
    small = kendall_tau(1e-200 * plain, ratings, variant)  # no score is too small to count: BLEU-4 has such
    assert small == kendall_tau(plain, ratings, variant)


def test_tau_by_hand() -> None:
    # scipy 1.17.1: kendalltau([1, 2, 3, 3, 5], [1, 1, 2, 3, 2], variant) is 0.5892557 (b) and 0.6 (c)
    scores, ratings = np.array([1, 2, 3, 3, 5.0]), np.array([1, 1, 2, 3, 2.0])
    assert kendall_tau(scores, ratings, "b") == pytest.approx(0.5892557, abs=1e-6)
    assert kendall_tau(scores, ratings, "c") == pytest.approx(0.6)
    with pytest.raises(ScoringError, match="tau-a of 5 scores and 5 ratings"):
        kendall_tau(scores, ratings, "a")
    with pytest.raises(ScoringError, match="5 scores and 4 ratings"):
        kendall_tau(scores, ratings[:4], "b")


def corpus_of() -> Corpus:
    texts = {"a.jpg": ("A dog .", "A brown dog ."), "b.jpg": ("Two men .", "A dog .")}
    return Corpus("toy", tuple(Example(name, Path(name), said) for name, said in texts.items()))


def test_own_captions_are_left_out(tmp_path: Path) -> None:
    rows = [
        "a.jpg\tb.jpg#0\t1\t1\t2",
        "a.jpg\ta.jpg#1\t4\t4\t4",
        "b.jpg\ta.jpg#1\t2\t3\t3",
        "b.jpg\ta.jpg#0\t4\t4\t4",
    ]
    (tmp_path / EXPERT.file).write_text("\n".join(rows) + "\n")
    found = read_judgements(EXPERT, corpus_of(), tmp_path)
    assert found.captions == {"a.jpg b.jpg#0": "Two men .", "b.jpg a.jpg#1": "A brown dog ."}
    assert found.ratings.tolist() == [[1, 1, 2], [2, 3, 3]]
    assert found.references["a.jpg b.jpg#0"] == ("A dog .", "A brown dog .")
    assert found.images["b.jpg a.jpg#1"] == "b.jpg"
    # six ratings: 1 1 2 against 2 3 3 under two scores
    taus = agreements(found, {"a.jpg b.jpg#0": {"X": 0.1}, "b.jpg a.jpg#1": {"X": 0.7}}, "c")
    assert taus == {"X": pytest.approx(2 * 8 * 2 / 36)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\tc.jpg#0\t1\t1\t1", "line 1: .* is no judgement of toy"),
        ("a.jpg\tb.jpg#7\t1\t1\t1", "IndexError"),
        ("a.jpg\tb.jpg#0\t1\t1", "line 1"),
        ("a.jpg\tb.jpg#0\t1\tx\t1", "ValueError"),
        ("a.jpg\tb.jpg#0\t1\t1\t1\na.jpg\tb.jpg#0\t1\t1\t1", "judges a pair twice"),
        ("", "none at all"),
    ],
)
def test_malformed_judgements(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / EXPERT.file).write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_judgements(EXPERT, corpus_of(), tmp_path)


def test_no_judgements(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"CrowdFlowerAnnotations\.txt cannot be read"):
        read_judgements(CROWD, corpus_of(), tmp_path)


@pytest.mark.slow
def test_agreement_with_experts_without_java(shared_data: Path) -> None:
    """The words protocol stands in for the PTB tokenizer; benchmarks/human_judgement.py gives the figures
    proper."""
    folder = shared_data / "flickr8k"
    judged = read_judgements(EXPERT, read_corpus(folder), folder)
    assert judged.ratings.shape == (5664, 3)
    scored = score(judged.captions, judged.references, "words", ["BLEU", "ROUGE-L", "CIDEr-D"])
    taus = {name: 100 * tau for name, tau in agreements(judged, scored.per_image, "c").items()}
    published = {"BLEU-1": 32.3, "BLEU-4": 30.8, "ROUGE-L": 32.3, "CIDEr-D": 43.9}
    assert {name: taus[name] for name in published} == pytest.approx(published, abs=0.3)
