"""What a caption is about, less what is done and where: "a man in a black jacket is smoking" is about a man.
By the grammar alone; no picture is known here."""

from __future__ import annotations

from collections.abc import Sequence

from clipcap_ext.engine.judging.grammar import Role, Token, read_tokens
from clipcap_ext.engine.judging.mending import ENDS
from clipcap_ext.engine.judging.phrases import Naming, namings_of

JOINING = ("and", ",")


def shortened(text: str) -> str:
    """What `text` is about, ended as `text` is: the first thing it names, with all that "of", "and" or a
    comma strings to it. `text` itself where the grammar finds nothing.

    How the grammar reads a word hangs on the words around it, so what is left is read again until all of it
    stays.
    """
    short = _cut(text)
    return text if short == text else shortened(short)


def _cut(text: str) -> str:
    """A part of `text`, or all of it."""
    tokens = read_tokens(text)
    namings = namings_of(tokens)
    first = next((at for at, one in enumerate(namings) if _is_subject(tokens, one)), None)
    if first is None:
        return text
    last = first
    while first and _joins(_between(tokens, namings, first - 1)):
        first -= 1  # "a brown , black and white dog"
    while last + 1 < len(namings) and _goes_on(_between(tokens, namings, last)):
        last += 1
    kept = text[tokens[namings[first].places[0]].start : tokens[namings[last].head].end]
    kept = kept[:1].upper() + kept[1:] if text[:1].isupper() else kept
    return kept + (text[tokens[-2].end :] if tokens[-1].text in ENDS else "")


def _is_subject(tokens: Sequence[Token], naming: Naming) -> bool:
    """Whether a thing is named, and not only where something is."""
    before = naming.places[0] - 1
    governed = before >= 0 and tokens[before].role is Role.PREPOSITION
    return not governed and any(tokens[place].role is Role.NOUN for place in naming.words)


def _between(tokens: Sequence[Token], namings: Sequence[Naming], place: int) -> list[str]:
    """The words between a naming and the next."""
    return [token.word for token in tokens[namings[place].head + 1 : namings[place + 1].places[0]]]


def _joins(between: list[str]) -> bool:
    return len(between) == 1 and between[0] in JOINING


def _goes_on(between: list[str]) -> bool:
    """ "of" counts, too, and what is one with it: "a close up of"."""
    return _joins(between) or (between[-1:] == ["of"] and len(between) <= 2)
