"""People's judgements of captions (Flickr8k-Expert and Flickr8k-CF), and how far a metric agrees with them.

A judged caption that describes another photo is scored against all references of the photo it was shown with;
one that is itself among them is left out, for every metric would praise it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipcap_ext.corpus import Corpus
from clipcap_ext.errors import CorpusError
from clipcap_ext.evaluate.people.kendall import kendall_tau


@dataclass(frozen=True)
class JudgementSet:
    """A published file of judgements: which columns hold the ratings, and the tau that the field reports for
    it."""

    name: str
    file: str
    columns: tuple[int, ...]
    variant: str


EXPERT = JudgementSet("Flickr8k-Expert", "ExpertAnnotations.txt", (2, 3, 4), "c")
CROWD = JudgementSet("Flickr8k-CF", "CrowdFlowerAnnotations.txt", (2,), "b")


@dataclass(frozen=True)
class Judgements:
    """Judged pairs under a key each: the caption, the photo and the photo's references; ratings (pairs,
    raters)."""

    captions: Mapping[str, str]
    images: Mapping[str, str]
    references: Mapping[str, tuple[str, ...]]
    ratings: np.ndarray

    def agreement(self, scores: Mapping[str, float], variant: str) -> float:
        """Kendall's tau of one score a pair with every single rating."""
        column = np.array([scores[key] for key in self.captions])
        return kendall_tau(np.repeat(column, self.ratings.shape[1]), self.ratings.reshape(-1), variant)


def read_judgements(kind: JudgementSet, corpus: Corpus, folder: Path) -> Judgements:
    """Read `kind`'s file in `folder`; CorpusError for a malformed row or a photo or caption `corpus`
    lacks."""
    path = folder / kind.file
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read ({error.strerror}); {kind.file} comes with Flickr8k's captions."
        ) from error
    captions = {example.image_id: example.captions for example in corpus.examples}
    judged: dict[str, tuple[str, str]] = {}
    ratings: list[list[float]] = []
    for number, row in enumerate(rows, 1):
        try:
            photo, (source, which) = row[0], row[1].split("#")
            text, marks = captions[source][int(which)], [float(row[column]) for column in kind.columns]
            own = photo == source or text in captions[photo]
        except (KeyError, ValueError, IndexError) as error:
            raise CorpusError(
                f"{path}, line {number}: {row} is no judgement of {corpus.name}: {error!r}."
            ) from error
        if not own:
            judged[f"{photo} {row[1]}"] = (photo, text)
            ratings.append(marks)
    if len(ratings) != len(judged) or not judged:
        raise CorpusError(f"{path} judges a pair twice, or none at all.")
    return Judgements(
        {key: text for key, (_, text) in judged.items()}, {key: photo for key, (photo, _) in judged.items()},
        {key: captions[photo] for key, (photo, _) in judged.items()}, np.array(ratings),
    )  # fmt: skip


def agreements(
    judgements: Judgements, per_pair: Mapping[str, Mapping[str, float]], variant: str
) -> dict[str, float]:
    """Metric -> its tau; `per_pair` is Scores.per_image over the pairs."""
    metrics = list(next(iter(per_pair.values())))
    return {
        name: judgements.agreement({key: row[name] for key, row in per_pair.items()}, variant)
        for name in metrics
    }
