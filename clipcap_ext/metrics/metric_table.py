"""One metric's numbers over a set of images, kept so that any resample of the images can be scored; not a
metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CorpusValue = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MetricTable:
    """A metric over `n` images.

    value: the corpus value.  per_image: (n,) the metric of each image alone.
    rows: (n, k) sufficient statistics, such that `corpus_value(rows.sum(0))` is the corpus value; a corpus
    value of BLEU or METEOR is not the mean of its images, so it is this that a bootstrap resamples.
    """

    value: float
    per_image: np.ndarray
    rows: np.ndarray
    corpus_value: CorpusValue

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """Corpus values (r,) of `r` resamples; `weights` (r, n) says how often each takes each image."""
        return self.corpus_value(weights @ self.rows)


def mean_table(per_image: np.ndarray) -> MetricTable:
    """The table of a metric whose corpus value is the mean over images (CIDEr-D, ROUGE-L)."""
    rows = np.stack([per_image, np.ones_like(per_image)], axis=1)  # (n, 2): sum and count
    return MetricTable(float(np.mean(per_image)), per_image, rows, _mean_of_sums)


def _mean_of_sums(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]
