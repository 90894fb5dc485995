"""A caption less some of its words, mended: no article, comma or "and" is left hanging, no blank doubled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clipcap_ext.engine.articles import article_for
from clipcap_ext.engine.judging.grammar import ARTICLES, Role, Token

HANGING = (Role.DETERMINER, Role.PREPOSITION, Role.CONJUNCTION, Role.AUXILIARY, Role.LINKING)  # before an end
OPENING = (Role.CONJUNCTION, Role.AUXILIARY, Role.LINKING)  # that no text begins with
BREAKING = (Role.PREPOSITION, Role.CONJUNCTION, Role.AUXILIARY, Role.LINKING, Role.MARK, Role.VERB)
ENDS = ".!?;:"
STRAY = ("of", "with")  # what begins no text either


def without(text: str, tokens: Sequence[Token], leaving: Iterable[int]) -> str:
    """`text`, whose tokens are `tokens`, less those at the places `leaving`; the rest stays to the letter but
    for what would hang, a capital at the beginning, and a/an."""
    gone = hanging(tokens, frozenset(leaving))
    kept = [place for place in range(len(tokens)) if place not in gone]
    if not any(tokens[place].role is not Role.MARK for place in kept):
        return ""
    pieces: list[str] = []
    for place in kept:
        token, fresh = tokens[place], place == 0 or place - 1 in gone
        between = " " if fresh else text[tokens[place - 1].end : token.start]
        tight = token.role is Role.MARK and fresh and text[token.start - 1 : token.start] != " "
        pieces += ["" if not pieces or tight else between, _article(tokens, place, gone)]
    mended = "".join(pieces)
    first = tokens[0].text[:1]
    return mended[:1].upper() + mended[1:] if first.isupper() and 0 in gone else mended


def hanging(tokens: Sequence[Token], leaving: frozenset[int]) -> frozenset[int]:
    """The places in `leaving` and of what would hang without them."""
    gone = set(leaving)
    while more := {place for cut in sorted(gone) for place in _hanging_at(tokens, cut, gone)}:
        gone |= more
    return frozenset(gone)


def _hanging_at(tokens: Sequence[Token], cut: int, gone: set[int]) -> list[int]:
    left = next((at for at in range(cut, -1, -1) if at not in gone), None)
    right = next((at for at in range(cut, len(tokens)) if at not in gone), None)
    ended = right is None or tokens[right].role is Role.MARK
    begun = left is None or tokens[left].text in ENDS
    found = []
    if left is not None and _hangs_before(tokens, left, right, ended):
        found.append(left)
    if right is not None and begun and _hangs_first(tokens[right]):
        found.append(right)
    return found


def _hangs_before(tokens: Sequence[Token], left: int, right: int | None, ended: bool) -> bool:
    role = tokens[left].role
    if ended:
        doubled = role is Role.MARK and tokens[left].text not in ENDS
        return role in HANGING or (doubled and (right is None or tokens[left].text == ","))
    assert right is not None
    after = tokens[right].role
    if role is Role.DETERMINER:
        return after in BREAKING or after is Role.DETERMINER
    return role in (Role.CONJUNCTION, Role.MARK) and after is Role.CONJUNCTION


def _hangs_first(token: Token) -> bool:
    return token.role in OPENING or token.word in STRAY or token.text in (",", *ENDS)


def _article(tokens: Sequence[Token], place: int, gone: frozenset[int]) -> str:
    """The token's text; "an" where another word follows than did before, if that asks for it."""
    token = tokens[place]
    after = next((at for at in range(place + 1, len(tokens)) if at not in gone), None)
    if token.word not in ARTICLES or after is None or after == place + 1:
        return token.text
    fitting = article_for(tokens[after].text)
    return fitting.capitalize() if token.text[0].isupper() else fitting
