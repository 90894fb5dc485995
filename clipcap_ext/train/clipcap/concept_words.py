"""Concepts in captions: which ones a caption says, and the same caption with another in the place of one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipcap_ext.engine.articles import article_for
from clipcap_ext.engine.concepts.concept_table import Concept

# what else may stand where a thing of this kind stands; other kinds stay among themselves
NEAR = {
    "boat": ("vehicle",), "aircraft": ("vehicle",), "vehicle": ("boat", "animal"), "ball": ("toy", "thing"),
    "plant": ("thing",), "scene": ("building",), "drink": ("food",), "ride": ("furniture", "vehicle"),
    "bag": ("container", "thing"), "toy": ("thing", "animal"), "people": ("animal",),
}  # fmt: skip
FAR = 0.2  # how often a thing of any kind takes the place


@dataclass(frozen=True)
class _Form:
    concept: int
    plural: bool


class ConceptWords:
    """Finds and swaps words for things; concepts are their numbers among those given."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        """concepts: a table's, or its `sayable`, whose general words then are concepts as others are."""
        self.concepts = tuple(concepts)
        self._forms: dict[str, _Form] = {}
        kinds: dict[str, list[int]] = defaultdict(list)
        for number, concept in enumerate(self.concepts):
            kinds[concept.kind].append(number)
            for text, is_plural in _spoken(concept):
                self._forms.setdefault(text, _Form(number, is_plural))
        self._rivals = {
            kind: [number for near in (kind, *NEAR.get(kind, ())) for number in kinds[near]]
            for kind in list(kinds)
        }
        self._general = {one.kind: number for number, one in enumerate(self.concepts) if not one.classes}
        longest = sorted(map(re.escape, self._forms), key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(longest)})\b") if longest else re.compile(r"(?!)")

    def said_in(self, caption: str) -> list[int]:
        """The concepts a caption in lower case says, each once, in their order."""
        return list(dict.fromkeys(self._forms[text].concept for text in self._pattern.findall(caption)))

    def rival(self, concept: int, rng: np.random.Generator) -> int:
        """Another concept, mostly one that might stand in its place."""
        near = [other for other in self._rivals[self.concepts[concept].kind] if other != concept]
        if not near or rng.random() < FAR:
            near = [other for other in range(len(self.concepts)) if other != concept]
        return near[rng.integers(len(near))]

    def general(self, concept: int) -> int | None:
        """The general word of a concept's kind; None if there is none, or if it is one itself."""
        found = self._general.get(self.concepts[concept].kind)
        return None if found == concept else found

    def swapped(self, caption: str, old: int, new: int) -> str:
        """The caption with the `new` concept wherever it says the `old` one, in the same number."""

        def other(match: re.Match[str]) -> str:
            form = self._forms[match.group()]
            if form.concept != old:
                return match.group()
            return plural(self.concepts[new]) if form.plural else self.concepts[new].word

        return with_articles(self._pattern.sub(other, caption))


def plural(concept: Concept) -> str:
    """The form of several."""
    return concept.plurals[0] if concept.plurals else concept.word


def with_articles(text: str) -> str:
    """ "a" and "an" as the words behind them ask for."""
    return re.sub(r"\ban? (?=([a-z]+))", lambda match: f"{article_for(match[1])} ", text)


def _spoken(concept: Concept) -> list[tuple[str, bool]]:
    own = [] if concept.vague else [(concept.word, False), (plural(concept), True)]
    others = [(text, True) for text in concept.plurals[1:]] + [(text, False) for text in concept.also]
    return own + others
