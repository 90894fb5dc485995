"""From picture files to captions, batch by batch, one outcome a picture; it writes nothing and loads no
model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.caption import Caption
from clipcap_ext.errors import Cancelled, CaptionError, ImageError

if TYPE_CHECKING:
    from PIL import Image

BATCH_SIZE = 8
GIVE_UP_AFTER = 3  # pictures in a row that the model, not the file, failed on
CaptionImages = Callable[[Sequence["Image.Image"]], Sequence[Caption]]


@dataclass(frozen=True)
class Outcome:
    """One picture's end: a caption, or the problem in words. `image` is the opened picture, if it opened."""

    path: Path
    caption: Caption | None = None
    problem: str = ""
    image: Image.Image | None = None


def caption_files(
    paths: Sequence[Path], caption_images: CaptionImages, *, batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:  # fmt: skip
    """Yield an Outcome for each of `paths`, in order; ends early once `stopped`.

    The next batch's files are read while one is captioned. A batch that fails is tried again picture by
    picture, so that one never costs the others; the model's error is raised after GIVE_UP_AFTER pictures in a
    row, since then it is not the pictures.
    """
    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    failures = 0
    with ThreadPoolExecutor(max_workers=1) as pool:
        reading: Future[list[Outcome]] | None = pool.submit(_read, batches[0]) if batches else None
        for number in range(len(batches)):
            if stopped():
                return
            read = reading.result() if reading is not None else []
            reading = pool.submit(_read, batches[number + 1]) if number + 1 < len(batches) else None
            try:
                for outcome in _captioned(read, caption_images):
                    failures = failures + 1 if outcome.problem and outcome.image is not None else 0
                    yield outcome
                    if failures >= GIVE_UP_AFTER:
                        raise CaptionError(
                            f"{failures} pictures in a row failed, so this stopped: {outcome.problem}"
                        )
            except Cancelled:
                return


def _read(paths: Sequence[Path]) -> list[Outcome]:
    from clipcap_ext.engine.images.reading import open_image

    outcomes = []
    for path in paths:
        try:
            outcomes.append(Outcome(path, image=open_image(path)))
        except ImageError as error:
            outcomes.append(Outcome(path, problem=str(error)))
        except Exception as error:  # a plugin of Pillow's may raise anything: the other pictures go on
            outcomes.append(
                Outcome(path, problem=f"{path.name} cannot be read: {type(error).__name__}: {error}")
            )
    return outcomes


def _captioned(read: Sequence[Outcome], caption_images: CaptionImages) -> Iterator[Outcome]:
    readable = {outcome.path: outcome.image for outcome in read if outcome.image is not None}
    captions: dict[Path, Caption] = {}
    try:
        if readable:
            made = caption_images(list(readable.values()))
            captions = dict(zip(readable, made, strict=True))
    except Cancelled:
        raise
    except CaptionError as error:
        if len(readable) == 1:
            yield from (
                Outcome(picture.path, problem=picture.problem or str(error), image=picture.image)
                for picture in read
            )
            return
    for outcome in read:
        if outcome.image is None:
            yield outcome
        elif outcome.path in captions:
            yield Outcome(outcome.path, captions[outcome.path], image=outcome.image)
        else:  # its batch failed: alone
            yield from _captioned([outcome], caption_images)
