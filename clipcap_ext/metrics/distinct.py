"""distinct-1 and distinct-2 (Li et al. 2016): the different words and pairs of words among all that captions
say; it compares with no reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from clipcap_ext.metrics.metric import Metric, of_tokens
from clipcap_ext.metrics.metric_table import CorpusValue, MetricTable

ORDERS = 2


def distinct(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
    """Both metrics, from 0 to 1, over the whole set; references are not looked at.

    An n-gram that the set says c times counts as 1/c wherever it stands, so that an image's own value is how
    much of its caption no other has, and a resample keeps the counts of the whole set, as CIDEr-D keeps its
    document frequencies.
    """
    rows = np.concatenate([_rows(hypotheses, order) for order in range(1, ORDERS + 1)], axis=1)  # (n, 4)
    tables = {}
    for key, value in POOLED.items():
        tables[key] = MetricTable(float(value(rows.sum(axis=0))), value(rows), rows, value)
    return tables


def _rows(texts: Sequence[str], order: int) -> np.ndarray:
    """Of each text the sum of its n-grams' shares 1/c, and their number: (n, 2)."""
    grams = [_grams(text.split(), order) for text in texts]
    counts = Counter(gram for group in grams for gram in group)
    return np.array([[sum(1 / counts[gram] for gram in group), len(group)] for group in grams])


def _grams(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [(word,) for word in words] if order == 1 else list(pairwise(words))


def distinct_value(order: int) -> CorpusValue:
    """The corpus value of distinct-`order` from the statistics that `distinct` keeps."""

    def corpus_value(sums: np.ndarray) -> np.ndarray:
        """sums (..., 4): shares and numbers of words, then of pairs; nothing said is 0."""
        shares, numbers = sums[..., 2 * order - 2], sums[..., 2 * order - 1]
        return np.divide(shares, numbers, out=np.zeros_like(shares, dtype=float), where=numbers > 0)

    return corpus_value


POOLED = {f"distinct-{order}": distinct_value(order) for order in range(1, ORDERS + 1)}
DISTINCT = Metric("distinct", "distinct:2", of_tokens(distinct), pooled=POOLED)
