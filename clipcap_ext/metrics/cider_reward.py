"""CIDEr-D of captions one by one, with document frequencies fixed beforehand, as a training reward; not a score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = 4
SIGMA = 6.0
SCALE = 10.0
Ngram = tuple[str, ...]


class CiderReward:
    """What CIDEr-D a caption would get for an image whose references are known.

    The toolkit takes document frequencies from the references of the images it scores together, so one caption alone
    has no value; here they come from all references given, once. Over all those images the values are the toolkit's.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        """references: for each image the space-separated tokens of its captions."""
        counts = [[_ngrams(text.split()) for text in group] for group in references]
        seen = Counter(ngram for group in counts for ngram in set().union(*group))
        self._rarity = {ngram: math.log(len(counts) / times) for ngram, times in seen.items()}
        self._unseen = math.log(max(1, len(counts)))
        self._references = [[self._weighted(one) for one in group] for group in counts]

    def __call__(self, image: int, caption: str) -> float:
        """CIDEr-D, 0 to 10, of space-separated tokens for image number `image`."""
        said = self._weighted(_ngrams(caption.split()))
        group = self._references[image]
        return SCALE * sum(_similarity(said, one) for one in group) / len(group) if group else 0.0

    def _weighted(self, counts: Counter[Ngram]) -> tuple[dict[Ngram, float], list[float], int]:
        """Weights of the n-grams, their norm for each n, and the length in bigrams."""
        weights = {ngram: times * self._rarity.get(ngram, self._unseen) for ngram, times in counts.items()}
        norms = [0.0] * ORDERS
        for ngram, weight in weights.items():
            norms[len(ngram) - 1] += weight * weight
        return weights, [math.sqrt(norm) for norm in norms], sum(n for ngram, n in counts.items() if len(ngram) == 2)


def _ngrams(words: Sequence[str]) -> Counter[Ngram]:
    return Counter(tuple(words[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1))


def _similarity(said: tuple, reference: tuple) -> float:  # type: ignore[type-arg]
    products = [0.0] * ORDERS
    weights, norms, length = said
    wanted, wanted_norms, wanted_length = reference
    for ngram, weight in weights.items():
        other = wanted.get(ngram)
        if other is not None:
            products[len(ngram) - 1] += min(weight, other) * other
    cosines = [
        product / (norm * other) if norm and other else product
        for product, norm, other in zip(products, norms, wanted_norms, strict=True)
    ]
    return math.exp(-((length - wanted_length) ** 2) / (2 * SIGMA**2)) * sum(cosines) / ORDERS
