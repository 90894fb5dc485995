"""The errors a user may meet, each saying what was asked, what was found and what to do; not a logging
layer."""

from __future__ import annotations

from collections.abc import Sequence


class CaptionError(Exception):
    """Base of every error that is meant to be read by the person who asked; its lines are printable.

    Messages name what came from outside, and a name may hold what no terminal should get.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(map(printable, message.split("\n"))))


class UsageError(CaptionError):
    """An option, a configuration key or a command line that does not fit (exit code 2)."""


class ImageError(CaptionError):
    """A picture that cannot be read; the message names the file and the reason."""


class CheckpointError(CaptionError):
    """A checkpoint that is missing, corrupt, unsafe or made for another architecture."""


class ModelNotFound(CheckpointError):
    """A model name nobody knows; the message lists the known ones."""


class CorpusError(CaptionError):
    """A data set that is missing or malformed."""


class DownloadError(CaptionError):
    """The Hub could not give what was asked; the message says how to place the file by hand."""


class ScoringError(CaptionError):
    """A metric that cannot be computed here (Java missing, unequal lists, no references)."""


class Cancelled(CaptionError):
    """The user stopped the work; what was finished is kept."""


def printable(text: str) -> str:
    """A foreign name or text as it can be shown on one line: what no terminal should get is escaped.

    So are bytes that were no UTF-8, control characters, and marks that turn the direction of reading.
    """
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Such as `a, b and 3 more`, in the order given."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
