"""What people score: each reference as a caption against the image's other references; it scores no
system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.people.levels import levels
from clipcap_ext.metrics import Scores, score

WORKERS = 2  # scorers at a time; each may be a Java program with two gigabytes


def human_line(
    references: Mapping[str, Sequence[str]], protocol: str, metrics: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Metric -> `one`, the mean score of one person's captions, and `best`, an oracle's that picks for each
    image.

    The oracle takes the reference that the metric itself likes best, so `best` is as far as a caption like a
    person's can go. References are one fewer than a system is scored against. ScoringError where an image has
    only one.
    """
    people = min(map(len, references.values()), default=0)
    if people < 2:
        raise ScoringError("A human line needs at least two references an image.")

    def person(k: int) -> Scores:
        others = {image_id: [*texts[:k], *texts[k + 1 :]] for image_id, texts in references.items()}
        return score(
            {image_id: texts[k] for image_id, texts in references.items()}, others, protocol, metrics
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        scored = list(pool.map(person, range(people)))
    return {name: _line(scored, name) for name in scored[0].tables}


def _line(scored: Sequence[Scores], name: str) -> dict[str, float]:
    tables = [scores.tables[name] for scores in scored]
    scores = levels(np.stack([table.per_image for table in tables]))  # (people, n)
    chosen = np.argmax(scores, axis=0)  # (n,) the person that an image's oracle takes, of equals the first
    rows = np.stack([table.rows for table in tables])[chosen, np.arange(len(chosen))]  # (n, k)
    best = tables[0].corpus_value(rows.sum(axis=0))
    return {"one": float(np.mean([table.value for table in tables])), "best": float(best)}
