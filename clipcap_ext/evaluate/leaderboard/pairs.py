"""Differences between all runs of a board, each with how likely chance alone makes it; it writes no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from clipcap_ext.evaluate.leaderboard.boards import Board
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.significance import Difference, differences


@dataclass(frozen=True)
class Pair:
    """second - first of one metric. p: approximate randomisation, two-sided; corrected: by Holm's method over
    all pairs of the board in this metric."""

    first: str
    second: str
    difference: float
    p: float
    corrected: float


def all_pairs(board: Board, bootstrap: Bootstrap) -> dict[str, list[Pair]]:
    """Metric -> its pairs of runs that both have it."""
    found: dict[str, list[tuple[str, str, Difference]]] = {}
    for first, second in combinations(board.runs, 2):
        if not first.tables.keys() & second.tables.keys():
            continue
        for gap in differences(first.tables, second.tables, bootstrap):
            found.setdefault(gap.metric, []).append((first.name, second.name, gap))
    return {metric: _corrected(found[metric]) for metric in board.keys if metric in found}


def _corrected(gaps: Sequence[tuple[str, str, Difference]]) -> list[Pair]:
    by_pair = {(first, second): gap.p_randomisation for first, second, gap in gaps}
    values = holm(by_pair)
    return [
        Pair(first, second, gap.difference, gap.p_randomisation, values[first, second])
        for first, second, gap in gaps
    ]


def holm(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's step-down correction: what each p-value is worth where all are looked at together."""
    ordered = sorted(p_values, key=lambda pair: (p_values[pair], pair))
    corrected: dict[tuple[str, str], float] = {}
    least = 0.0
    for place, pair in enumerate(ordered):
        least = max(least, min(1.0, p_values[pair] * (len(ordered) - place)))
        corrected[pair] = least
    return corrected
