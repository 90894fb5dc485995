"""Which picture is in the box of one open page, for a run that began with another. No interface.

Answers reach a page in any order, and the picture may be another by then. So each carries the page's own
mark of the picture that it is of, and the script (javascript/clipcap.js) hides, and has cleared, what is not
of the picture in the box.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clipcap_ext.engine.checkpoint.fingerprint import pixel_key

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 2000  # characters of a mark: a script of ours sends fewer


@dataclass
class Shown:
    """Lives in a gr.State, one for each page; events of the page run side by side and see each other's
    changes here."""

    key: str = ""
    changes: int = 0
    status: str = ""
    mark: str = ""  # the page's own name for the picture; see Beside

    def put(self, image: Image | None, status: str, mark: str = "") -> bool:
        """Another picture, or none that can be read, is in the box, and this is what the page says of it; or
        the same one is told of again, and what was said of it stands.

        Whether there was a picture whose caption would be wrong beside what is there now.
        """
        before, self.key = self.key, "" if image is None else pixel_key(image)
        if before == "" or before != self.key:
            self.status = status
        self.mark = mark
        self.changes += 1
        return before not in ("", self.key)


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

    def ended(self, status: str) -> None:
        """What is said of the run's picture from now on, while it is there."""
        if not self.replaced:
            self.shown.status = status


@dataclass(frozen=True)
class Beside:
    """Marks are the page's own, blank for no picture; only their being alike means anything."""

    picture: str = ""
    captioned: str = ""

    @classmethod
    def told(cls, text: str | None) -> Beside:
        """From the script's JSON; anything else tells of no picture."""
        try:
            said = json.loads(text or "{}")
        except ValueError:
            return cls()
        values = said if isinstance(said, dict) else {}
        marks = [values.get(name) for name in ("picture", "captioned")]
        return cls(*(mark if isinstance(mark, str) and len(mark) <= MOST else "" for mark in marks))

    @property
    def stale(self) -> bool:
        """Whether the caption on the page is of another picture."""
        return self.captioned not in ("", self.picture)
