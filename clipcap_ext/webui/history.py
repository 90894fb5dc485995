"""The captions that stood in the box before, for undo: plain lists, newest last. No interface."""

from __future__ import annotations

MOST_UNDO = 50


def remembered(history: list[str], text: str | None) -> list[str]:
    """The history with one more text in it; None and blanks are no text (an untouched box may hold
    either)."""
    if not text or not text.strip() or (history and history[-1] == text):
        return history
    return [*history, text][-MOST_UNDO:]


def undone(history: list[str], text: str | None) -> tuple[str | None, list[str]]:
    """(the latest text that differs from the one in the box, the history before it)."""
    earlier = list(history)
    while earlier and earlier[-1] == text:
        earlier.pop()
    return (earlier.pop() if earlier else text), earlier
