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
        tail = (1 - self.level) / 2
        by_metric = {
            name: np.quantile(table.resampled(weights), [tail, 1 - tail]) for name, table in tables.items()
        }
        return {name: (float(low), float(high)) for name, (low, high) in by_metric.items()}
