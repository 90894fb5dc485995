"""From picture files to captions, one outcome a picture, in order; it writes nothing and loads no model.

Few pictures are read and encoded at a time; their captions are decoded together with those of the next,
which is several times faster an image. Who is decoded with whom changes no caption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clipcap_ext.ahead import batches_ahead
from clipcap_ext.caption import Caption
from clipcap_ext.captioning import Captioning
from clipcap_ext.errors import Cancelled, CaptionError, ImageError

if TYPE_CHECKING:
    from PIL import Image

BATCH_SIZE = 8
WIDER = 8  # batches whose captions are decoded together, at most
PATIENCE = 2.0  # seconds that an encoded picture waits for others
PIXELS = 50_000_000  # of the pictures that wait for their captions: 150 MB
PIXELS_AHEAD = 25_000_000  # of those that were read ahead
GIVE_UP_AFTER = 3  # pictures in a row that the model, not the file, failed on
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Outcome:
    """One picture's end: a caption, or the problem in words. `image` is the opened picture, if it opened."""

    path: Path
    caption: Caption | None = None
    problem: str = ""
    image: Image.Image | None = None

    @property
    def failed(self) -> bool:
        """Whether it was the model that failed, not the file."""
        return bool(self.problem) and self.image is not None


@dataclass(frozen=True)
class _Opened:
    """A picture's outcome so far, and what `Captioning.prepare` made of it, if it opened."""

    outcome: Outcome
    prepared: Any = None


def caption_files(
    paths: Sequence[Path], captioning: Captioning, *, batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:  # fmt: skip
    """Yield an Outcome for each of `paths`, in order; ends early once `stopped`.

    The next pictures are read and made ready while some are captioned. A batch that fails is tried again
    picture by picture, so that one never costs the others; the model's error is raised after GIVE_UP_AFTER
    pictures in a row, since then it is not the pictures.
    """
    failures = 0
    waiting = _Waiting(captioning, batch_size * WIDER, stopped)
    try:
        for outcome in waiting.captioned(_batches(paths, captioning, batch_size, stopped)):
            failures = failures + 1 if outcome.failed else 0
            yield outcome
            if stopped():
                return
            if failures >= GIVE_UP_AFTER:
                raise CaptionError(f"{failures} pictures in a row failed, so this stopped: {outcome.problem}")
    except Cancelled:
        return


def _batches(
    paths: Sequence[Path], captioning: Captioning, batch_size: int, stopped: Callable[[], bool]
) -> Iterator[list[_Opened]]:
    """The pictures, read and made ready in threads ahead of the encoder; none is asked for once `stopped`."""
    ahead = batches_ahead(
        paths, lambda path: _opened(path, captioning), batch_size, in_turns=captioning.in_turns,
        weight=_pixels, heavy=PIXELS_AHEAD, stopped=stopped,
    )  # fmt: skip
    with closing(ahead) as batches:
        for batch in batches:
            if stopped():
                return
            yield batch


def _opened(path: Path, captioning: Captioning) -> _Opened:
    from clipcap_ext.engine.images.reading import open_image

    try:
        image = open_image(path)
        return _Opened(Outcome(path, image=image), captioning.prepare(image))
    except ImageError as error:
        return _Opened(Outcome(path, problem=str(error)))
    except Exception as error:  # a plugin of Pillow's may raise anything: the other pictures go on
        problem = f"{path.name} cannot be read: {type(error).__name__}: {error}"
        return _Opened(Outcome(path, problem=problem))


def _pixels(opened: _Opened) -> int:
    image = opened.outcome.image
    return 0 if image is None else image.width * image.height


@dataclass
class _Waiting:
    """Pictures in their order, encoded but without a caption; None was seen of those that failed."""

    captioning: Captioning
    most: int
    stopped: Callable[[], bool]
    entries: list[tuple[Outcome, Any]] = field(default_factory=list)
    since: float = 0.0

    def captioned(self, batches: Iterator[list[_Opened]]) -> Iterator[Outcome]:
        """An outcome for each picture of `batches`, several batches' captions decoded together."""
        for read in batches:
            self.since = self.since if self.entries else time.monotonic()
            for outcome, seen in self._looked(read):
                if outcome.failed:
                    yield from self._said()
                    yield outcome
                else:
                    self.entries.append((outcome, seen))
            if self._enough():
                yield from self._said()
        if not self.stopped():
            yield from self._said()

    def _enough(self) -> bool:
        sizes = [outcome.image.size for outcome, _ in self.entries if outcome.image is not None]
        late = time.monotonic() - self.since >= PATIENCE
        return late or len(self.entries) >= self.most or sum(w * h for w, h in sizes) >= PIXELS

    def _looked(self, read: Sequence[_Opened]) -> Iterator[tuple[Outcome, Any]]:
        seen = _each(self.captioning.look, [one.prepared for one in read if one.outcome.image is not None])
        for outcome in (one.outcome for one in read):
            one = None if outcome.image is None else next(seen)
            failed = isinstance(one, CaptionError)
            yield (replace(outcome, problem=str(one)), None) if failed else (outcome, one)

    def _said(self) -> Iterator[Outcome]:
        entries, self.entries = self.entries, []
        captions = _each(self.captioning.say, [seen for _, seen in entries if seen is not None], self._narrow)
        for outcome, seen in entries:
            said = None if seen is None else next(captions)
            if isinstance(said, CaptionError):
                yield replace(outcome, problem=str(said))
            else:
                yield replace(outcome, caption=said)

    def _narrow(self) -> None:
        """So many together were too many, for the memory perhaps: fewer from now on."""
        self.most = max(1, self.most // 2)


def _each(
    make: Callable[[list[Item]], Sequence[Made]], items: list[Item], failed: Callable[[], None] = lambda: None
) -> Iterator[Made | CaptionError]:
    """What `make` makes of the items together; where that fails, of one after another, or an item's error."""
    if not items:
        return
    try:
        made: Sequence[Made | CaptionError] = make(items)
    except Cancelled:
        raise
    except CaptionError as error:
        made = [error]
    if len(items) > 1 and isinstance(made[0], CaptionError):
        failed()
        for item in items:
            yield from _each(make, [item])
    else:
        yield from made
