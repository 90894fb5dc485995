"""A captioner over the images of a split, batch by batch, broken images named and left out; it scores
nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from clipcap_ext.ahead import batches_ahead, takes_every_core
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner, Looked, Prepared
from clipcap_ext.corpus import Example, Problem
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CorpusError, ImageError

Progress = Callable[[int, int], None]
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
    done = 0
    ahead = batches_ahead(
        examples, lambda example: _prepared(example, captioner, options), batch_size,
        in_turns=takes_every_core(captioner.encoder.device),
    )  # fmt: skip
    with closing(ahead) as batches:
        for batch in batches:
            done += len(batch)
            problems += [problem for _, problem in batch if isinstance(problem, Problem)]
            good = [(example, image) for example, image in batch if isinstance(image, Prepared)]
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


def _prepared(
    example: Example, captioner: Captioner, options: DecodingOptions
) -> tuple[Example, Prepared | Problem]:
    """The example with its picture made ready, or with the Problem it has."""
    try:
        return example, captioner.prepare(open_image(example.path), options)
    except ImageError as error:
        return example, Problem(example.image_id, str(error))
