"""Whether two systems differ in the mean over their trainings: images and seeds resampled; it reads no
file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap, percentiles
from clipcap_ext.evaluate.statistics.significance import p_value
from clipcap_ext.metrics import MetricTable


@dataclass(frozen=True)
class SeedsDifference:
    """A metric of two systems on the same images, each the mean over its seeds. `interval` is of second -
    first, over resampled images and seeds.

    p: how often a resample's difference is as far from their mean as the difference is from 0; two-sided and
    never 0.
    """

    first: float
    second: float
    interval: tuple[float, float]
    p: float

    @property
    def difference(self) -> float:
        """second - first."""
        return self.second - self.first


def seeds_difference(
    first: Sequence[MetricTable], second: Sequence[MetricTable], bootstrap: Bootstrap
) -> SeedsDifference:
    """Compare a metric's tables, one a seed, over the same images in the same order.

    Every sample draws images, the same for both systems, and of each system as many of its seeds as there
    are, with replacement. Of a single seed nothing can be drawn: the interval is then over images alone, and
    with one for each it is the paired bootstrap. ScoringError without a seed, or where the images are not as
    many.
    """
    sizes = {len(table.per_image) for table in (*first, *second)}
    if not first or not second or len(sizes) > 1:
        raise ScoringError(
            f"{len(first)} seeds against {len(second)}, of {' or '.join(map(str, sorted(sizes))) or 'no'} "
            "images: at least one seed each is needed, and the same images."
        )
    weights = bootstrap.weights(sizes.pop())
    drawn = _drawn(second, weights, (bootstrap.seed, 3)) - _drawn(first, weights, (bootstrap.seed, 2))
    means = [float(np.mean([table.value for table in tables])) for tables in (first, second)]
    p = p_value(drawn - drawn.mean(), means[1] - means[0])
    return SeedsDifference(means[0], means[1], percentiles(drawn, bootstrap.level), p)


def _drawn(tables: Sequence[MetricTable], weights: np.ndarray, stream: tuple[int, int]) -> np.ndarray:
    """(samples,) the mean over drawn seeds, each sample's from its own images and its own seeds."""
    values = np.stack([table.resampled(weights) for table in tables], axis=1)  # (samples, seeds)
    seeds = len(tables)
    times = np.random.default_rng(stream).multinomial(seeds, np.full(seeds, 1 / seeds), size=len(weights))
    return (values * times).sum(axis=1) / seeds
