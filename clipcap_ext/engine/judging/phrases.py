"""The parts of a caption that say something, each with what cannot stand without it: "coat" goes with "in a
red"; no picture is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipcap_ext.engine.judging.grammar import NAMING, Role, Token


@dataclass(frozen=True)
class Part:
    """A word that says something: its place among the tokens, and the places of all that leave with it."""

    place: int
    leaving: frozenset[int]


@dataclass(frozen=True)
class Naming:
    """A noun with its determiner and its adjectives, by their places."""

    places: range
    words: range

    @property
    def head(self) -> int:
        """The last one."""
        return self.places[-1]


def parts_of(tokens: Sequence[Token]) -> tuple[Part, ...]:
    """Every word of meaning, in order."""
    namings = namings_of(tokens)
    by_word = {place: naming for naming in namings for place in naming.words}
    parts = []
    for place, token in enumerate(tokens):
        if place in by_word:
            naming = by_word[place]
            alone = place != naming.head
            parts.append(Part(place, frozenset({place}) if alone else _with_head(tokens, naming, namings)))
        elif token.role is Role.VERB:
            parts.append(Part(place, _with_verb(tokens, place, namings)))
    return tuple(parts)


def namings_of(tokens: Sequence[Token]) -> list[Naming]:
    found, start, place = [], 0, 0
    while place < len(tokens):
        start = place
        while place < len(tokens) and tokens[place].role is Role.DETERMINER:
            place += 1
        first = place
        while place < len(tokens) and tokens[place].role in NAMING:
            place += 1
        if place > first:
            found.append(Naming(range(start, place), range(first, place)))
        else:
            place = max(place, start + 1)
    return found


def _with_head(tokens: Sequence[Token], naming: Naming, namings: Sequence[Naming]) -> frozenset[int]:
    """What leaves with a noun: what is said of it, and the preposition, the verb or the "and" that it is
    there for."""
    leaving, before, after = set(naming.places), naming.places[0] - 1, naming.head + 1
    governed = before >= 0 and tokens[before].role in (Role.PREPOSITION, Role.VERB)
    if _joins(tokens, before, namings):
        return frozenset(leaving | {before})
    if _joins(tokens, after, namings) and not (governed and tokens[after].text == ","):
        return frozenset(leaving | {after})  # "a man and a dog": the dog is left
    while before >= 0 and tokens[before].role is Role.PREPOSITION:
        leaving.add(before)
        before -= 1
    if len(leaving) == len(naming.places) and before >= 0 and tokens[before].role is Role.VERB:
        leaving |= _verb_and_auxiliaries(tokens, before)
    return frozenset(leaving)


def _joins(tokens: Sequence[Token], place: int, namings: Sequence[Naming]) -> bool:
    """Whether a comma or conjunction is there, with a noun on either side."""
    if not 0 < place < len(tokens) - 1:
        return False
    if tokens[place].role is not Role.CONJUNCTION and tokens[place].text != ",":
        return False
    ends = {naming.head for naming in namings}
    return place - 1 in ends and any(naming.places[0] == place + 1 for naming in namings)


def _with_verb(tokens: Sequence[Token], place: int, namings: Sequence[Naming]) -> frozenset[int]:
    """What leaves with a verb: its auxiliaries, what it is done to, and the "and" before it."""
    leaving = _verb_and_auxiliaries(tokens, place)
    leaving |= {at for naming in namings if naming.places[0] == place + 1 for at in naming.places}
    before = min(leaving) - 1
    if before >= 0 and tokens[before].role in (Role.CONJUNCTION, Role.LINKING, Role.PREPOSITION):
        leaving.add(before)
    return frozenset(leaving)


def _verb_and_auxiliaries(tokens: Sequence[Token], place: int) -> set[int]:
    start = place
    while start and tokens[start - 1].role is Role.AUXILIARY:
        start -= 1
    return set(range(start, place + 1))
