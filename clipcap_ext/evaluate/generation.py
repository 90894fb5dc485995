"""A captioner over the images of a split, batch by batch, broken images named and left out; it scores
nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner, Looked
from clipcap_ext.corpus import Example, Problem
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CorpusError, ImageError

if TYPE_CHECKING:
    from PIL import Image

Progress = Callable[[int, int], None]
WORKERS = 2
WIDE = 64  # images, at least


def caption_examples(
    captioner: Captioner,
    examples: Sequence[Example],
    options: DecodingOptions,
    batch_size: int,
    progress: Progress,
) -> tuple[dict[str, str], list[Problem]]:
    """image_id -> caption, and what could not be read; CorpusError if that is everything."""
    captions: dict[str, str] = {}
    problems: list[Problem] = []
    waiting: dict[str, Looked] = {}  # encoded already: captions are decoded WIDE together, which is faster
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(examples), batch_size):
            done = min(start + batch_size, len(examples))
            opened = list(pool.map(_open, examples[start:done]))
            problems += [problem for _, problem in opened if isinstance(problem, Problem)]
            good = [(example, image) for example, image in opened if not isinstance(image, Problem)]
            looked = captioner.look([image for _, image in good], options)
            waiting |= {example.image_id: one for (example, _), one in zip(good, looked, strict=True)}
            if len(waiting) >= WIDE or done == len(examples):
                made = captioner.caption_looked(list(waiting.values()), options)
                captions.update(zip(waiting, (caption.text for caption in made), strict=True))
                waiting = {}
            progress(done, len(examples))
    if not captions:
        raise CorpusError(f"Not one of {len(examples)} images could be read; the first: {problems[0]}")
    return captions, problems


def _open(example: Example) -> tuple[Example, Image.Image | Problem]:
    """The example with its picture, or with the Problem it has."""
    try:
        return example, open_image(example.path)
    except ImageError as error:
        return example, Problem(example.image_id, str(error))
