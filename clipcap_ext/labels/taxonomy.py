"""Labels into the facets and groups of the taxonomy by WordNet's hypernyms; the anchors are data, in
anchors.json.

A noun or verb goes to the group of the nearest anchor above its meaning. Its meanings are tried in WordNet's
order, the most frequent first, and the first with an anchor above it counts. Numbers, adverbs and adjectives
need no anchor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from clipcap_ext.engine.sbg.labels import FLAT_FACETS, GROUPED_FACETS, Label
from clipcap_ext.labels.wordnet import LETTERS, WordNet

ANCHORS_FILE = Path(__file__).with_name("anchors.json")
MEANINGS = 4  # of a word are tried
BY_POS = {"NUM": "number", "ADV": "adverb", "ADJ": "adjective"}
LEXICOGRAPHER = (
    "lex:"  # an anchor of this form is a whole file of WordNet's verbs, taken if no synset is nearer
)
Place = tuple[str, str]  # facet, group ("" in a facet without groups)
# By facet the labels, or where it has groups the labels by group.
Taxonomy = dict[str, "dict[str, tuple[str, ...]] | tuple[str, ...]"]


def make_taxonomy(labels: Iterable[Label], wordnet: WordNet) -> Taxonomy:
    """Every facet and group of anchors.json, empty ones too, with its labels in their order."""
    anchors = read_anchors()
    places = anchor_places(wordnet)
    members: dict[Place, list[str]] = {}
    for label in labels:
        place = place_of(label, wordnet, places)
        if place is not None:
            members.setdefault(place, []).append(label.text)
    grouped = {
        facet: {group: _at(members, facet, group) for group in anchors[facet]} for facet in GROUPED_FACETS
    }
    return {**grouped, **{facet: _at(members, facet, "") for facet in FLAT_FACETS}}


def _at(members: Mapping[Place, Sequence[str]], facet: str, group: str) -> tuple[str, ...]:
    return tuple(members.get((facet, group), ()))


def place_of(label: Label, wordnet: WordNet, places: dict[str, Place]) -> Place | None:
    """Where a label belongs; None if no anchor stands above any of its first meanings."""
    if label.pos in BY_POS:
        return BY_POS[label.pos], ""
    for sense in wordnet.senses(label.text, LETTERS[label.pos])[:MEANINGS]:
        for _, above in wordnet.upwards(sense):
            if above in places:
                return places[above]
        lexicographer = f"{LEXICOGRAPHER}{wordnet.synset(sense).lexicographer}"
        if lexicographer in places:
            return places[lexicographer]
    return None


def anchor_places(wordnet: WordNet) -> dict[str, Place]:
    """Synset id, or lex:NUMBER, of each anchor -> its facet and group; the first mention of a synset
    counts."""
    places: dict[str, Place] = {}
    for facet, groups in read_anchors().items():
        for group, names in groups.items() if isinstance(groups, dict) else [("", groups)]:
            for name in names:
                key = name if name.startswith(LEXICOGRAPHER) else wordnet.sense(name)
                places.setdefault(key, (facet, group))
    return places


@lru_cache(maxsize=1)
def read_anchors() -> dict[str, dict[str, list[str]] | list[str]]:
    """The anchors: facet -> {group: names of synsets such as dog.n.1}, or a list where the facet has no
    groups."""
    return json.loads(ANCHORS_FILE.read_text(encoding="utf-8"))
