"""What a metric is, a record that says all there is to know of it, and what it is given; it computes none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.metric_table import CorpusValue, MetricTable


class Judge(Protocol):
    """An encoder that looks at photos and reads texts; `name` and `fingerprint` stand in signatures."""

    name: str
    fingerprint: str

    def cosines(
        self, photos: Sequence[str], texts: Sequence[str], groups: Sequence[Sequence[str]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of n texts: each one's cosine with its photo (n,), and with the nearest of its group of texts (n,).

        photos: image_ids. ScoringError for a photo that cannot be opened.
        """
        ...


Objects = Mapping[str, frozenset[str]]  # image_id -> the categories of what people marked in it


@dataclass(frozen=True)
class Scored:
    """What a metric sees of one system: n captions and their references, all in one order.

    hypotheses, references: space-separated tokens, as the protocol prepares them. captions, people: the same
    texts as they were written. photos: whose photo each is (image_ids). judge: an encoder, if one was named.
    objects: what people marked in each photo, where that was named.
    """

    hypotheses: Sequence[str]
    references: Sequence[Sequence[str]]
    captions: Sequence[str] = ()
    people: Sequence[Sequence[str]] = ()
    photos: Sequence[str] = ()
    judge: Judge | None = None
    objects: Objects | None = None


Compute = Callable[[Scored], Mapping[str, MetricTable]]


@dataclass(frozen=True)
class Metric:
    """One metric. It enters METRICS (known.py) as a row; what scores, prints, stores or checks reads that."""

    name: str  # its word for --metrics
    signature: str  # its part of a signature; {judge} stands for the encoder
    compute: Compute | None = None  # gives its tables, one a key
    # In place of compute, for a program that is slow to start: entered before the texts are prepared.
    start: Callable[[], AbstractContextManager[Compute]] | None = None
    needs: tuple[Callable[[], object], ...] = ()  # raise a ScoringError; asked before hours of captioning
    judged: bool = False  # whether it needs an encoder that looks at the photos
    annotated: bool = False  # whether it needs the objects that people marked in the photos
    keys: tuple[str, ...] = ()  # the names of its figures; left out: those of `pooled`, else its own name
    # How summed rows give the corpus value, in a score and when stored statistics come back; left out, a
    # corpus value is the mean over images.
    pooled: Mapping[str, CorpusValue] = field(default_factory=dict)
    lower: bool = False  # whether less is better
    default: bool = False  # scored where nobody says which, and a column of the papers' tables
    alone: str = ""  # what is to be said of it where only one image was scored

    def __post_init__(self) -> None:
        if (self.compute is None) == (self.start is None):
            raise ValueError(f"{self.name}: give compute or start, one of the two.")
        object.__setattr__(self, "keys", self.keys or tuple(self.pooled) or (self.name,))

    def part(self, judge: Judge | None) -> str:
        """Its part of a signature; ScoringError where it needs an encoder and there is none."""
        if not self.judged:
            return self.signature
        if judge is None:
            raise ScoringError(f"{self.name} needs an encoder: name one (--clip-score ENCODER).")
        return self.signature.format(judge=f"{signature_word(judge.name)}:{judge.fingerprint[:8]}")


def of_tokens(
    compute: Callable[[Sequence[str], Sequence[Sequence[str]]], Mapping[str, MetricTable]],
) -> Compute:
    """The compute of a metric that sees the prepared texts alone: (hypotheses, references) -> tables."""
    return lambda scored: compute(scored.hypotheses, scored.references)


def signature_word(text: str) -> str:
    """`text` without what separates the parts of a signature."""
    return "".join("-" if char in "|:" or char.isspace() else char for char in text)
