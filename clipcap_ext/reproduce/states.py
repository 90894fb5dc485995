"""The word for how far a row is: reproduced, run, the same code on other parts, a smoke run, or open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipcap_ext.reproduce.parts import foreign_parts

REPRODUCED, SAME_CODE, NEEDS, NOT_RUN = "reproduced", "same code, stand-in encoder", "needs", "not run yet"
SMOKE, UNKNOWN = "smoke run", "encoder and language model of unknown origin"
TOLERANCE = 0.01  # of the paper's figure


def state_of(
    values: Mapping[str, Mapping[str, Any]],
    paper: Mapping[str, float],
    parts: Sequence[Mapping[str, Any]],
    *,
    subset: bool,
) -> str:
    """Of a row made in full. values: our figures under the paper's protocol; parts: as kept with the scores.

    *reproduced*: the published encoder and language model, by checksum, every image, and each figure's
    interval holds the paper's, or the figure is within 1% of it. Else *run*, and what stands against it.
    """
    against = foreign_parts(list(parts)) if parts else [UNKNOWN]
    if subset:
        against.append("not every photo")
    off = {name: _gap(values[name], figure) for name, figure in paper.items() if name in values}
    far = {name: gap for name, gap in off.items() if gap}
    if far:
        worst = max(far, key=lambda name: abs(far[name]) / paper[name])
        against.insert(0, f"differs by {far[worst]:+.3f} ({worst})")
    if not off:
        against.append("the paper has no figure to compare with")
    return f"run, {'; '.join(against)}" if against else REPRODUCED


def listed(things: Sequence[str]) -> str:
    """Such as `a, b and c`."""
    return " and ".join(filter(None, [", ".join(things[:-1]), *things[-1:]]))


def agrees(value: float, interval: Sequence[float], paper: float) -> bool:
    """Whether the interval holds the paper's figure, or ours is within 1% of it."""
    return interval[0] <= paper <= interval[1] or abs(value - paper) <= TOLERANCE * paper + 1e-9


def _gap(figures: Mapping[str, Any], paper: float) -> float:
    """0 for a figure that agrees with the paper's."""
    value = float(figures["value"])
    return 0.0 if agrees(value, figures["interval"], paper) else value - paper
