"""Captions that ought to score badly, made from the captions under test: what a score means is its distance
to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

WRONG_IMAGES, CONSTANT = "wrong_images", "constant_caption"


def control_systems(captions: Mapping[str, str], seed: int) -> dict[str, dict[str, str]]:
    """The same captions on the wrong images (none keeps its own) and one typical caption on all of them.

    One image alone has no wrong image, so there is only the constant.
    """
    ids = sorted(captions)
    constant = {CONSTANT: dict.fromkeys(ids, typical_caption(captions))}
    if len(ids) < 2:
        return constant
    moved = derangement(len(ids), seed)
    return {
        WRONG_IMAGES: {image_id: captions[ids[moved[row]]] for row, image_id in enumerate(ids)}
    } | constant


def derangement(n: int, seed: int) -> np.ndarray:
    """A permutation of range(n) in which nothing keeps its place: one random cycle (Sattolo's algorithm); n
    >= 2."""
    draw = np.random.default_rng(seed)
    order = np.arange(n)
    for last in range(n - 1, 0, -1):
        other = int(draw.integers(last))
        order[[last, other]] = order[[other, last]]
    return order


def typical_caption(captions: Mapping[str, str]) -> str:
    """The most frequent caption; among equals the one whose words most captions have, then the first by
    alphabet."""
    counts = Counter(captions.values())
    having = Counter(word for text in captions.values() for word in set(text.lower().split()))

    def typical(text: str) -> tuple[float, float, str]:
        tokens = text.lower().split()
        return -counts[text], -sum(having[word] for word in tokens) / max(len(tokens), 1), text

    return min(counts, key=typical)
