"""CHAIR (Rohrbach et al. 2018): how many of the objects that captions name are not in the photo, by COCO's 80
categories; it reads no annotation file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.metric import Metric, Scored
from clipcap_ext.metrics.metric_table import CorpusValue, MetricTable

WORDS = Path(__file__).with_name("coco_objects.json")
KEYS = ("CHAIRi", "CHAIRs")
NO_OBJECT = ""  # phrases that hold an object's word and name none: a train station is no train
COLOUR = "orange"  # in the singular it is mostly a colour, and is not counted
ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
YOUNG = r"\b(?:baby|adult|mother|father) "  # before an animal it is no person
OTHER_PLURALS = {"knife": "knives", "bus": "buses", "mouse": "mice"}


class NamedThings:
    """Finds things in texts, plurals too; longer words win: in "hot dog" there is no dog."""

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        """words: a thing's name and the words that say it, the name among them."""
        self._thing: dict[str, str] = {}
        for thing, said in words.items():
            for word in said:
                for form in (word, plural(word)):
                    self._thing.setdefault(form, thing)
        longest_first = sorted(map(re.escape, self._thing), key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(longest_first)})\b")

    def mentions(self, text: str) -> list[str]:
        """The things that a text names, in its order, each as often as it is named."""
        return [self._thing[word] for word in self._pattern.findall(plain(text))]


def plain(text: str) -> str:
    """Small letters, and a space for anything else."""
    return re.sub(r"[^a-z]+", " ", text.lower())


def plural(word: str) -> str:
    """The usual plural of a word."""
    if word in OTHER_PLURALS:
        return OTHER_PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


@cache
def coco_words() -> dict[str, tuple[str, ...]]:
    """Category -> the words that say it, its name first; under NO_OBJECT what names none."""
    listed = json.loads(WORDS.read_text(encoding="utf-8"))
    words = {name: (name, *others) if name else tuple(others) for name, others in listed.items()}
    return {**words, COLOUR: (plural(COLOUR), *words[COLOUR][1:])}


def categories() -> frozenset[str]:
    """The names of COCO's 80 categories."""
    return frozenset(coco_words()) - {NO_OBJECT}


@cache
def _finder() -> tuple[NamedThings, re.Pattern[str]]:
    words = coco_words()
    animals = "|".join(form for name in ANIMALS for word in words[name] for form in (word, plural(word)))
    return NamedThings(words), re.compile(rf"{YOUNG}(?=(?:{animals})\b)")


def objects_in(text: str) -> list[str]:
    """The categories of the objects that a text names, each as often as it is named."""
    things, young = _finder()
    return [name for name in things.mentions(young.sub("", plain(text))) if name != NO_OBJECT]


def chair(scored: Scored) -> dict[str, MetricTable]:
    """CHAIRi, the share of the objects named that are not there, and CHAIRs, the share of captions that name
    such a one: both from 0 to 1, and the lower the better.

    There is what somebody annotated or any of the references says. ScoringError without annotations.
    """
    if scored.objects is None:
        raise ScoringError("CHAIR needs the objects that people annotated: --instances FILE.")
    groups = zip(scored.captions, scored.people, scored.photos, strict=True)
    rows = np.array([_row(text, said, scored.objects[photo]) for text, said, photo in groups])  # (n, 4)
    return {key: MetricTable(float(of(rows.sum(axis=0))), of(rows), rows, of) for key, of in POOLED.items()}


def _row(text: str, references: Sequence[str], annotated: frozenset[str]) -> list[float]:
    there = annotated.union(*map(objects_in, references))
    named = objects_in(text)
    wrong = sum(name not in there for name in named)
    return [wrong, len(named), wrong > 0, 1]


def share(part: int, whole: int) -> CorpusValue:
    """The corpus value that is one column of the rows by another; 0 where the latter is."""

    def corpus_value(sums: np.ndarray) -> np.ndarray:
        """sums (..., 4): objects wrongly named, objects named, captions with a wrong one, captions."""
        top, bottom = sums[..., part], sums[..., whole]
        return np.divide(top, bottom, out=np.zeros_like(top, dtype=float), where=bottom > 0)

    return corpus_value


POOLED = {"CHAIRi": share(0, 1), "CHAIRs": share(2, 3)}
CHAIR = Metric("CHAIR", "chair:coco80", chair, annotated=True, lower=True, pooled=POOLED)
