"""What the words of an English caption are to each other: determiner, noun, verb, preposition, ...; by lists
and endings, no parser. Captions in other languages are nouns all through."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

WORDS = Path(__file__).with_name("english.json")
TOKEN = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
ARTICLES = frozenset(("a", "an"))


class Role(Enum):
    """What a word does. NOUN stands for whatever else has a meaning of its own."""

    DETERMINER = "determiners"
    PREPOSITION = "prepositions"
    CONJUNCTION = "conjunctions"
    LINKING = "linking"
    AUXILIARY = "auxiliaries"
    PRONOUN = "pronouns"
    ADVERB = "adverbs"
    ADJECTIVE = "adjectives"
    VERB = "verbs"
    NOUN = "nouns"
    MARK = "marks"


NAMING = (Role.ADJECTIVE, Role.NOUN)


@dataclass(frozen=True)
class Token:
    """A word or mark, its place in the text, and its role there."""

    text: str
    start: int
    end: int
    role: Role

    @property
    def word(self) -> str:
        """In lower case."""
        return self.text.lower()


@dataclass(frozen=True)
class _English:
    """The lists, ready to be asked."""

    roles: dict[str, Role]
    phrases: tuple[tuple[str, ...], ...]
    bases: frozenset[str]
    forms: frozenset[str]


def read_tokens(text: str) -> tuple[Token, ...]:
    """The words and marks of `text` in order."""
    found = list(TOKEN.finditer(text))
    words = [match[0].lower() for match in found]
    roles = _roles(words)
    return tuple(
        Token(match[0], match.start(), match.end(), role) for match, role in zip(found, roles, strict=True)
    )


def _roles(words: Sequence[str]) -> list[Role]:
    english, roles = _english(), []
    fixed = _fixed_phrases(words)
    for place, word in enumerate(words):
        if place in fixed:
            roles.append(Role.PREPOSITION)
        elif not word[0].isalnum():
            roles.append(Role.MARK)
        elif word in english.roles:
            roles.append(english.roles[word])
        else:
            roles.append(Role.VERB if _is_verb(words, roles, place) else Role.NOUN)
    return roles


def _fixed_phrases(words: Sequence[str]) -> set[int]:
    """Places of words that only together mean something: next to, in front of."""
    places: set[int] = set()
    for start in range(len(words)):
        for phrase in _english().phrases:
            if tuple(words[start : start + len(phrase)]) == phrase:
                places |= set(range(start, start + len(phrase)))
    return places


def _is_verb(words: Sequence[str], roles: Sequence[Role], place: int) -> bool:
    """Whether a word that may be a verb is one here: `play` in "dogs play", not in "a play"."""
    word, english = words[place], _english()
    if word not in english.forms:
        return False
    before = _phrase_before(roles)
    named = any(roles[at] is Role.NOUN for at in before)
    if not before:
        previous = roles[-1] if roles else None
        if word in english.bases:
            return previous is Role.AUXILIARY or (bool(words[:place]) and words[place - 1] == "to")
        if previous is Role.VERB:
            return False
        return word.endswith("ing") or previous in (Role.AUXILIARY, Role.CONJUNCTION, Role.ADVERB)
    if not named:
        return False
    if word in english.bases:
        single = any(words[at] in ARTICLES for at in before)
        return not single and _is_plural(words[place - 1])
    return True


def _phrase_before(roles: Sequence[Role]) -> range:
    """Places of the determiner, adjectives and nouns that end where `roles` do."""
    start = len(roles)
    while start and roles[start - 1] in NAMING:
        start -= 1
    while start and roles[start - 1] is Role.DETERMINER:
        start -= 1
    return range(start, len(roles))


def _is_plural(word: str) -> bool:
    return word.endswith("s") or word in ("people", "men", "women", "children", "police", "kids")


@cache
def _english() -> _English:
    lists = json.loads(WORDS.read_text(encoding="utf-8"))
    roles: dict[str, Role] = {
        word: role for role in Role if role.value in lists and role is not Role.VERB
        for word in lists[role.value].split()
    }  # fmt: skip
    bases = frozenset(lists["verbs"].split())
    phrases = tuple(tuple(phrase.split()) for phrase in lists["phrases"])
    return _English(roles, phrases, bases, frozenset(form for base in bases for form in _forms(base)))


def _forms(base: str) -> set[str]:
    """run -> runs, running, ...; more than English has, which does no harm."""
    stems = {base, base.removesuffix("e"), base + base[-1]}
    if base.endswith("ie"):
        stems.add(base[:-2] + "y")
    third = base[:-1] + "ies" if base.endswith("y") else base + "es"
    return {base, base + "s", third} | {stem + end for stem in stems for end in ("ing", "ed")}
