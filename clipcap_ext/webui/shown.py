"""Which picture is in the box of one open page, for a run that began with another. No interface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clipcap_ext.engine.checkpoint.fingerprint import pixel_key

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass
class Shown:
    """Lives in a gr.State, one for each page; events of the page run side by side and see each other's
    changes here."""

    key: str = ""
    changes: int = 0
    status: str = ""
    last: str = ""  # the key of the last picture there was, though there may be none now

    def put(self, image: Image | None, status: str) -> bool:
        """Another picture, or none that can be read, is in the box, and this is what the page says of it.

        Whether it is a picture other than the last one, whose caption would be wrong beside it.
        """
        self.key = "" if image is None else pixel_key(image)
        self.status = status
        self.changes += 1
        another = bool(self.key and self.last) and self.key != self.last
        self.last = self.key or self.last
        return another


@dataclass(frozen=True)
class Begun:
    """What was in the box when a run began. The event that tells of a new picture may come after the run's
    own."""

    shown: Shown
    image: Image
    changes: int

    @classmethod
    def now(cls, shown: Shown, image: Image) -> Begun:
        """A run with `image` begins."""
        return cls(shown, image, shown.changes)

    @cached_property
    def key(self) -> str:
        """The picture's, made only once somebody asks: that is slow for large pictures."""
        return pixel_key(self.image)

    @property
    def replaced(self) -> bool:
        """Whether there is another picture, or none, in the box by now."""
        return self.shown.changes != self.changes and self.shown.key != self.key
