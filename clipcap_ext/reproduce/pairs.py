"""The differences between a table's rows, the paper's and ours with their intervals; it renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.seeds import SeedsDifference, seeds_difference
from clipcap_ext.metrics import MetricTable
from clipcap_ext.metrics.stored import restored
from clipcap_ext.reproduce.scored import Made

DIGITS = 4


def pairs(made: Sequence[Made]) -> list[dict[str, Any]]:
    """Every two rows that were made alike, in the order they are given: the difference second - first."""
    return [_pair(first, second) for first, second in combinations(made, 2) if comparable(first, second)]


def comparable(first: Made, second: Made) -> bool:
    """Whether their figures may be set against each other: both in earnest, of one kind, scored by the same
    protocol on the same images, with a metric that the paper gives for both."""
    return (
        not first.smoke
        and not second.smoke
        and first.stand_in == second.stand_in
        and first.recipe.row.protocol == second.recipe.row.protocol
        and first.runs[0]["image_ids"] == second.runs[0]["image_ids"]
        and bool(_common(first, second))
    )


def _common(first: Made, second: Made) -> list[str]:
    theirs = second.recipe.row.values
    return [name for name in first.recipe.row.values if name in theirs]


def _pair(first: Made, second: Made) -> dict[str, Any]:
    row, other = first.recipe.row, second.recipe.row
    ours, theirs = _tables(first), _tables(second)
    return {
        "first": row.name, "second": other.name, "stand_in": first.stand_in, "protocol": row.protocol,
        "seeds": [[run["seed"] for run in made.runs] for made in (first, second)],
        "values": {
            name: _figures(
                other.values[name] - row.values[name],
                seeds_difference(ours[name], theirs[name], Bootstrap()),
            )
            for name in _common(first, second)
            if name in ours and name in theirs
        },
    }  # fmt: skip


def _tables(made: Made) -> dict[str, list[MetricTable]]:
    """Metric, with its domain behind it where it is of one, -> its table of each seed."""
    tables: dict[str, list[MetricTable]] = {}
    for run in made.runs:
        for part, kept in run["protocols"][made.recipe.row.protocol].items():
            for metric, table in restored(kept["statistics"]).items():
                tables.setdefault(f"{metric} {part}".strip(), []).append(table)
    return tables


def _figures(paper: float, found: SeedsDifference) -> dict[str, Any]:
    return {
        "paper": round(paper, DIGITS), "difference": round(found.difference, DIGITS),
        "interval": [round(end, DIGITS) for end in found.interval], "p": round(found.p, DIGITS),
    }  # fmt: skip
