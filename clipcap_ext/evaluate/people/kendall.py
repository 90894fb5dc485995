"""Kendall's rank correlations tau-b and tau-c, exact with ties, for ratings of few levels; it knows no
captions."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.people.levels import levels

VARIANTS = ("b", "c")


def kendall_tau(scores: np.ndarray, ratings: np.ndarray, variant: str) -> float:
    """Tau of scores (n,) against ratings (n,), from -1 to 1; 0 where either never changes.

    Both count the pairs that the two order alike less those ordered contrariwise. tau-b divides by the pairs
    that neither ties, tau-c by the most there can be among so few levels. Time grows with the square of the
    levels of `ratings` and with n log n. Scores are compared as `levels`, so equal ones tie.
    """
    if variant not in VARIANTS or len(scores) != len(ratings):
        raise ScoringError(
            f"Kendall's tau-{variant} of {len(scores)} scores and {len(ratings)} ratings: not defined."
        )
    scores = levels(scores)
    groups = [np.sort(scores[ratings == level]) for level in np.unique(ratings)]
    count = min(len(groups), len(np.unique(scores)))
    if count < 2:
        return 0.0
    surplus = sum(_surplus(low, high) for low, high in combinations(groups, 2))
    if variant == "c":
        return float(2 * surplus * count / (len(scores) ** 2 * (count - 1)))
    return float(surplus / np.sqrt(_untied(scores)) / np.sqrt(_untied(ratings)))


def _surplus(low: np.ndarray, high: np.ndarray) -> int:
    """Pairs of sorted `low` and `high` in which the second is greater, less those in which it is smaller."""
    below, not_above = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return int(below.sum()) - int((len(low) - not_above).sum())


def _untied(values: np.ndarray) -> int:
    """Pairs of different values."""
    counts = np.unique(values, return_counts=True)[1]
    return (len(values) * (len(values) - 1) - int((counts * (counts - 1)).sum())) // 2
