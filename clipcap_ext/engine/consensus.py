"""How far candidates agree with what a model says when it is asked again and again; it decodes and ranks
nothing.

Of many things that a model might say of a picture, the one most like all the others is the least likely to be
wrong, though none of them be the likeliest: minimum Bayes risk decoding (Kumar and Byrne, 2004), with samples
as the others (Eikema and Aziz, 2020) and half of CIDEr-D as the likeness: words and pairs of words, none of
them weighed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from clipcap_ext.caption import DecodingOptions

SAMPLES = 16  # captions sampled beside beams; these and the next were chosen on Flickr8k's development photos
TEMPERATURE = 0.7
TOP_K = 50
ORDERS = 2  # words, and pairs of words
SPREAD = 6.0  # words of difference in length, as CIDEr-D weighs it
AGREEMENT = 40.0  # nats that a score gets for an agreement of 1
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")  # scripts without spaces: a character


def sampling_beside(options: DecodingOptions) -> DecodingOptions | None:
    """How to sample what candidates are compared with; None where they are samples themselves, or where
    nothing is compared."""
    if options.rank_by != "consensus" or options.strategy != "beams":
        return None
    return options.with_changes(
        num_beams=1, temperature=TEMPERATURE, top_k=TOP_K, num_candidates=SAMPLES, rank_by="logprob", seed=0,
        length_penalty=1.0, diversity=0.0,
    )  # fmt: skip


def agreements(candidates: Sequence[str], others: Sequence[str]) -> list[float]:
    """The mean likeness of each of n candidates to all of `others`, from 0 to 1: n numbers."""
    said, heard = [_words(text) for text in candidates], [_words(text) for text in others]
    alike = np.mean([_cosines(said, heard, order) for order in range(1, ORDERS + 1)], axis=0)
    lengths = np.array([len(words) for words in said]), np.array([len(words) for words in heard])
    apart = np.subtract.outer(*lengths)  # (n, others)
    return list((alike * np.exp(-(apart**2) / (2 * SPREAD**2))).mean(1).tolist())


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _cosines(said: Sequence[list[str]], heard: Sequence[list[str]], order: int) -> np.ndarray:
    """Cosines of the n-grams' counts (said, heard); what one side says more often counts as the other says
    it."""
    grams = [Counter(zip(*(words[i:] for i in range(order)))) for words in (*said, *heard)]  # noqa: B905
    places = {gram: place for place, gram in enumerate(dict.fromkeys(gram for one in grams for gram in one))}
    counts = np.zeros((len(grams), max(1, len(places))))
    for row, one in enumerate(grams):
        for gram, count in one.items():
            counts[row, places[gram]] = count
    ours, theirs = counts[: len(said), None], counts[None, len(said) :]
    shared = (np.minimum(ours, theirs) * theirs).sum(-1)
    lengths = np.linalg.norm(counts, axis=1)
    norms = np.outer(lengths[: len(said)], lengths[len(said) :])
    return np.divide(shared, norms, out=np.zeros_like(shared), where=norms > 0)
