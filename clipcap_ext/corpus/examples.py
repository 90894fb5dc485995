"""What a data set is once it is read: images with their captions, and what was wrong with it; it holds no
pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint


@dataclass(frozen=True)
class Example:
    """One image and its captions. `image_id` is the file's name as the data set writes it; `split` as it
    marks it.

    number: the data set's own id where it has numbers, as COCO's, which results files name images by.
    domain: nocaps' word for what is in it. `path` leads to no file only where no pictures were asked for.
    fingerprint: that of the file's bytes, where it is known without the file.
    """

    image_id: str
    path: Path
    captions: tuple[str, ...]
    split: str | None = None
    number: int | None = None
    domain: str | None = None
    fingerprint: str = ""

    def content(self) -> str:
        """The image_fingerprint of the file's bytes; OSError if it cannot be read."""
        return self.fingerprint or image_fingerprint(self.path)


@dataclass(frozen=True)
class Sample:
    """One picture, in bytes or as the file it is in, and its captions, as a data set too large to list gives
    them.

    `key` is what the data set calls it; it need not be unique and never names a place on disk.
    """

    key: str
    image: bytes | Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """A row or an image that was left out: where it stands and what is wrong with it."""

    where: str
    reason: str
    kind: str = "other"  # what such problems are counted as

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class Corpus:
    """Examples in the order of the data set, each image once, with everything that had to be left out."""

    name: str
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def image_ids(self) -> list[str]:
        """The ids, in order."""
        return [example.image_id for example in self.examples]

    def subset(self, image_ids: Iterable[str]) -> Corpus:
        """The examples of these ids, in the corpus' own order; ids that are not in it are passed over."""
        wanted = set(image_ids)
        kept = tuple(example for example in self.examples if example.image_id in wanted)
        return replace(self, examples=kept)


@dataclass(frozen=True)
class Splits:
    """Disjoint parts of one corpus."""

    train: Corpus
    val: Corpus
    test: Corpus

    @property
    def image_ids(self) -> frozenset[str]:
        """Those of all images, whichever their part."""
        return frozenset(name for part in (self.train, self.val, self.test) for name in part.image_ids)
