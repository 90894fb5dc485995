"""BLEU, ROUGE-L and CIDEr-D as pycocoevalcap computes them, image by image; it tokenises nothing."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.metric import Metric, of_tokens
from clipcap_ext.metrics.metric_table import CorpusValue, MetricTable, mean_table

ORDERS = 4
_TINY, _SMALL = 1e-15, 1e-9  # pycocoevalcap's guards against a division by zero


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
    """BLEU-1 to BLEU-4, with the closest reference length; corpus values pool the counts of all images."""
    scorer = _toolkit("bleu.bleu_scorer").BleuScorer(n=ORDERS)
    for hypothesis, refs in zip(hypotheses, references, strict=True):
        scorer += (hypothesis, list(refs))
    values, per_image = scorer.compute_score(option="closest", verbose=0)
    rows = np.array([_bleu_row(counts) for counts in scorer.ctest])  # (n, 10)
    return {
        f"BLEU-{k + 1}": MetricTable(float(values[k]), np.array(per_image[k]), rows, bleu_value(k + 1))
        for k in range(ORDERS)
    }


def _bleu_row(counts: dict[str, Any]) -> list[float]:
    length = counts["testlen"]
    closest = min((abs(reference - length), reference) for reference in counts["reflen"])[1]
    return [*counts["correct"], *counts["guess"], length, closest]


def bleu_value(order: int) -> CorpusValue:
    """The corpus value of BLEU-`order` from the statistics that `bleu` keeps."""

    def corpus_value(sums: np.ndarray) -> np.ndarray:
        """sums (..., 10): matches of 4 orders, n-grams of 4 orders, length, reference length."""
        precisions = (sums[..., :order] + _TINY) / (sums[..., ORDERS : ORDERS + order] + _SMALL)
        ratio = (sums[..., 8] + _TINY) / (sums[..., 9] + _SMALL)
        brevity = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
        return np.prod(precisions, axis=-1) ** (1.0 / order) * brevity

    return corpus_value


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
    """ROUGE-L, beta 1.2, best precision and best recall over the references; corpus value is the mean."""
    scorer = _toolkit("rouge.rouge").Rouge()
    pairs = zip(hypotheses, references, strict=True)
    return {
        "ROUGE-L": mean_table(
            np.array([float(scorer.calc_score([text], list(refs))) for text, refs in pairs])
        )
    }


def cider_d(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
    """CIDEr-D, 0 to 10; corpus value is the mean.

    pycocoevalcap calls it CIDEr but computes CIDEr-D: clipped counts and the Gaussian length penalty (sigma
    6, lengths in bigrams), without stemming; document frequencies come from the references scored here. So
    values depend on the set of images, and one image alone scores 0.
    """
    scorer = _toolkit("cider.cider_scorer").CiderScorer(n=ORDERS, sigma=6.0)
    if not any(
        text.split() for refs in references for text in refs
    ):  # the toolkit would stop at an assertion
        return {"CIDEr-D": mean_table(np.zeros(len(references)))}
    for hypothesis, refs in zip(hypotheses, references, strict=True):
        scorer += (hypothesis, list(refs))
    return {"CIDEr-D": mean_table(np.asarray(scorer.compute_score()[1], dtype=float))}


BLEU = Metric(
    "BLEU", "bleu:closest", of_tokens(bleu), default=True,
    pooled={f"BLEU-{order}": bleu_value(order) for order in range(1, ORDERS + 1)},
)  # fmt: skip
ROUGE_L = Metric("ROUGE-L", "rouge-l:beta1.2", of_tokens(rouge_l), default=True)
CIDER_D = Metric(
    "CIDEr-D", "cider:d", of_tokens(cider_d), default=True,
    alone="CIDEr-D needs more than one image: its document frequencies come from the images scored, "
    "so it is 0 here.",
)  # fmt: skip


def _toolkit(module: str) -> Any:
    try:
        return importlib.import_module(f"pycocoevalcap.{module}")
    except ImportError as error:
        raise ScoringError(
            f"Scoring needs pycocoevalcap: pip install 'pycocoevalcap>=1.2' ({error})."
        ) from error
