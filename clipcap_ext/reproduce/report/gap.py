"""What the paper's protocol adds to a score, in a few sentences from the rows' own numbers; it scores
nothing."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from clipcap_ext.metrics.known import main_keys


def gap_paragraph(results: Mapping[str, Any]) -> str:
    """How much higher the paper's protocol scores the same captions than the standard one; empty without a
    row."""
    attempts = [
        attempt
        for table in results["tables"].values()
        for row in table["rows"]
        for attempt in row["attempts"]
        if "protocols" in attempt
    ]  # fmt: skip
    if not attempts:
        return ""
    shown = [
        name
        for name in main_keys()
        if all(name in attempt["protocols"]["paper"]["values"] for attempt in attempts)
    ]
    gaps = {name: [_gap(attempt, name) for attempt in attempts] for name in shown}
    added = ", ".join(
        f"{name} {mean(values):+.3f} ({min(values):+.3f} to {max(values):+.3f})"
        for name, values in gaps.items()
    )
    rows = f"{len(attempts)} rows of ours" if len(attempts) > 1 else "the one row of ours"
    return (
        "The paper cuts a caption at its first full stop, puts the full stop back, leaves the references as "
        "the data set has them and scores without a tokenizer, so the final full stop counts as a word that "
        "nearly always matches. The standard protocol tokenises as the COCO toolkit does and drops "
        f"punctuation. Nothing but this differs between the two lines of a row below. Over {rows}, the "
        f"paper's protocol adds to the same captions: {added}. A difference of that size between two papers "
        "can be their scorers alone."
    )


def _gap(attempt: Mapping[str, Any], metric: str) -> float:
    scored = attempt["protocols"]
    return scored["paper"]["values"][metric]["value"] - scored["standard"]["values"][metric]["value"]
