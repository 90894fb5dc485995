"""What a set of captions is like as text: lengths, vocabulary, repetition; it compares with no reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np


def text_statistics(tokens: Sequence[str]) -> dict[str, Any]:
    """Figures over captions given as space-separated tokens, as they were scored.

    distinct_1, distinct_2: distinct words (pairs of words) over all of them. duplicates: captions that repeat
    another.
    """
    captions = [text.split() for text in tokens]
    lengths = np.array([len(caption) for caption in captions])
    counts = Counter(word for caption in captions for word in caption)
    pairs = Counter(pair for caption in captions for pair in pairwise(caption))
    texts = Counter(tokens)
    most, times = min(texts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "captions": len(captions),
        "length": {
            "mean": float(lengths.mean()), "sd": float(lengths.std()), "min": int(lengths.min()),
            "max": int(lengths.max()),
        },
        "vocabulary": len(counts),
        "distinct_1": _share(len(counts), counts.total()),
        "distinct_2": _share(len(pairs), pairs.total()),
        "distinct_captions": len(texts),
        "duplicates": len(captions) - len(texts),
        "empty": texts[""],
        "most_frequent": {"caption": most, "times": times},
    }  # fmt: skip


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
