"""Changes that a person makes to the keywords SBG chose: leave out, add, put in another order; it guesses
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipcap_ext.caption import Keyword
from clipcap_ext.engine.sbg.labels import check_text


@dataclass(frozen=True)
class KeywordEdit:
    """`exactly`: these keywords in this order, whatever was chosen; else `without` leaves out and `added`
    comes last.

    A text that was not chosen cannot be left out and is passed over. UsageError for texts that no prompt can
    hold.
    """

    without: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    exactly: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for text in (*self.without, *self.added, *(self.exactly or ())):
            check_text(text)

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.without or self.added or self.exactly is not None)

    def apply(self, chosen: Sequence[Keyword]) -> tuple[Keyword | str, ...]:
        """The keywords to guess from; a chosen one keeps its facet and similarity wherever it is put."""
        known = {keyword.text: keyword for keyword in chosen}
        if self.exactly is not None:
            return tuple(known.get(text, text) for text in self.exactly)
        left = [keyword for keyword in chosen if keyword.text not in self.without]
        return (*left, *(known.get(text, text) for text in self.added))


def split_keywords(text: str) -> tuple[str, ...]:
    """`dog, snow , running` -> its keywords; an empty text is no keyword."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
