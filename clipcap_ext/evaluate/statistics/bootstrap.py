"""Confidence intervals by resampling images; it knows tables of statistics, not captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clipcap_ext.metrics import MetricTable


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: percentiles of `samples` corpus values, each over as many images drawn with
    replacement.

    BLEU and METEOR are recomputed from the pooled statistics of the drawn images; CIDEr-D keeps the document
    frequencies of the whole set.
    """

    samples: int = 1000
    level: float = 0.95
    seed: int = 0

    def weights(self, images: int) -> np.ndarray:
        """(samples, images) how often each resample draws each image; the same for every metric."""
        drawn = np.random.default_rng(self.seed).multinomial(
            images, np.full(images, 1 / images), size=self.samples
        )
        return drawn.astype(np.float64)

    def intervals(self, tables: Mapping[str, MetricTable]) -> dict[str, tuple[float, float]]:
        """Metric -> (low, high)."""
        if not tables:
            return {}
        weights = self.weights(len(next(iter(tables.values())).per_image))
        return {name: percentiles(table.resampled(weights), self.level) for name, table in tables.items()}


def percentiles(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The ends of the interval that holds the middle part `level` of resampled values (samples,)."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
