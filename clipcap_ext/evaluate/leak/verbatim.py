"""How often captions say word for word what a photo's own references say, and people's own rate; no model, no
files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from clipcap_ext.metrics.protocols import plain_words

LEAST = (
    0.005  # a share of captions; below it nothing is concluded, for a typical caption may meet its reference
)
FEWEST = 4  # words; shorter captions are met by chance
Z = 1.96  # of a 95% interval


@dataclass(frozen=True)
class Verbatim:
    """Counts over `images` captions, small words and punctuation aside. own: a reference of its photo, word
    for word. only: that, of FEWEST words or more, and no other photo's caption in the data set. others:
    another photo's caption, word for word."""

    images: int
    own: int
    only: int
    others: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share `only`, by Wilson's score, at 95%."""
        return wilson(self.only, self.images)


def count_verbatim(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    everywhere: Mapping[str, Sequence[str]],
) -> Verbatim:
    """Count over the images that have a caption; everywhere: the captions of all images of the data set."""
    photos = _photos_by_text(everywhere)
    own = only = others = 0
    for image_id, caption in captions.items():
        text = plain_words(caption)
        elsewhere = photos[text] - (text in map(plain_words, everywhere.get(image_id, ())))
        hit = text in map(plain_words, references[image_id])
        own += hit
        only += hit and not elsewhere and len(text.split()) >= FEWEST
        others += elsewhere > 0
    return Verbatim(len(captions), own, only, others)


def count_people(
    references: Mapping[str, Sequence[str]], everywhere: Mapping[str, Sequence[str]]
) -> Verbatim | None:
    """The same of people: each image's first reference against its others; None where one has no others."""
    if min(map(len, references.values()), default=0) < 2:
        return None
    first = {image_id: texts[0] for image_id, texts in references.items()}
    return count_verbatim(first, {key: texts[1:] for key, texts in references.items()}, everywhere)


def looks_seen(captions: Verbatim, people: Verbatim | None) -> bool:
    """Whether captions repeat their references more surely than people repeat each other, and than LEAST."""
    usual = max(LEAST, people.interval[1] if people else 0.0)
    return captions.interval[0] > usual


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95% interval of a share."""
    share, spread = part / whole, Z * Z / whole
    middle = share + spread / 2
    half = Z * sqrt(share * (1 - share) / whole + spread / whole / 4)
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def _photos_by_text(everywhere: Mapping[str, Sequence[str]]) -> Counter[str]:
    """How many photos have each text among their captions."""
    return Counter(text for texts in everywhere.values() for text in set(map(plain_words, texts)))
