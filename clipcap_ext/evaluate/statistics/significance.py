"""Whether two systems differ by more than chance: paired bootstrap and approximate randomisation; it reads no
file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap, percentiles
from clipcap_ext.metrics import MetricTable


@dataclass(frozen=True)
class Difference:
    """A metric of two systems on the same images. `interval` is of second - first, over resampled images.

    p_bootstrap: how often a resample's difference is as far from their mean as the difference is from 0.
    p_randomisation: how often systems that swap their captions by a coin's toss differ at least as much. Both
    are two-sided and never 0: (times + 1) / (samples + 1).
    """

    metric: str
    first: float
    second: float
    interval: tuple[float, float]
    p_bootstrap: float
    p_randomisation: float

    @property
    def difference(self) -> float:
        """second - first."""
        return self.second - self.first


def differences(
    first: Mapping[str, MetricTable], second: Mapping[str, MetricTable], bootstrap: Bootstrap
) -> list[Difference]:
    """Compare two systems' tables over the same images in the same order, metric by metric where both have
    one.

    Corpus values are recomputed from the images' statistics in every sample. ScoringError without a common
    metric.
    """
    common = [name for name in first if name in second]
    if not common:
        raise ScoringError(f"No common metric: one has {', '.join(first)}, the other {', '.join(second)}.")
    images = len(first[common[0]].per_image)
    weights = bootstrap.weights(images)
    swaps = np.random.default_rng((bootstrap.seed, 1)).integers(0, 2, size=weights.shape).astype(np.float64)
    return [_difference(name, first[name], second[name], weights, swaps, bootstrap.level) for name in common]


def _difference(
    name: str, first: MetricTable, second: MetricTable, weights: np.ndarray, swaps: np.ndarray, level: float
) -> Difference:
    if len(first.per_image) != len(second.per_image):
        raise ScoringError(f"{name}: {len(first.per_image)} images against {len(second.per_image)}.")
    gap = second.value - first.value
    drawn = second.resampled(weights) - first.resampled(weights)
    mixed = second.corpus_value((1 - swaps) @ second.rows + swaps @ first.rows)
    mixed = mixed - first.corpus_value((1 - swaps) @ first.rows + swaps @ second.rows)
    return Difference(
        name, first.value, second.value, percentiles(drawn, level), p_value(drawn - drawn.mean(), gap),
        p_value(mixed, gap),
    )  # fmt: skip


def p_value(chance: np.ndarray, gap: float) -> float:
    """How often chance alone goes as far as `gap`; numbers that differ by rounding alone count as equal."""
    return float((np.sum(np.abs(chance) >= abs(gap) - 1e-12) + 1) / (len(chance) + 1))
