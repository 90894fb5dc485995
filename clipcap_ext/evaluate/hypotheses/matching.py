"""Whose images captions from elsewhere are: by the data set's numbers, by file name, or by position if asked;
it reads no file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clipcap_ext.corpus import Example
from clipcap_ext.errors import ScoringError, first_of
from clipcap_ext.evaluate.hypotheses.reading import Hypothesis

# COCO's file names hold its ids: COCO_val2014_000000391895.jpg, 000000391895.jpg.
_NUMBERED = re.compile(r"(?:COCO_\w+_)?(\d{12})")


@dataclass(frozen=True)
class Matched:
    """image_id -> caption, the names of captions of no image here, and the images that have no caption."""

    captions: dict[str, str]
    unknown: tuple[str, ...]
    lacking: tuple[str, ...]

    def told(self) -> list[str]:
        """What did not match, counted and named; empty if everything did."""
        whole = len(self.captions) + len(self.lacking)
        said = []
        if self.lacking:
            said.append(
                f"{len(self.lacking)} of {whole} images of the split have no caption in the file, and are "
                f"not scored: {first_of(self.lacking)}."
            )
        if self.unknown:
            shown = first_of(self.unknown)
            said.append(f"Captions in the file of no image of the split: {len(self.unknown)} ({shown}).")
        return said


def match(
    path: Path,
    rows: Sequence[Hypothesis],
    examples: Sequence[Example],
    positions: Sequence[str] | None = None,
) -> Matched:
    """Give the captions of the file `path` to images.

    A number is the data set's own id (or that in COCO's file names); with `positions` it counts from 0 in
    that list of image ids instead. A text is an image's name or path, with or without its suffix, or a
    number. ScoringError where nothing matches, or an image has several captions.
    """
    names = _Names(examples, positions)
    found = [(names.find(row.key), row) for row in rows]
    twice = [key for key, count in Counter(key for key, _ in found if key).items() if count > 1]
    if twice:
        raise ScoringError(f"{path} has more than one caption for {first_of(twice)}.")
    captions = {key: row.caption for key, row in found if key is not None}
    if not captions:
        raise ScoringError(_nothing(path, rows, examples, positions is not None))
    lacking = tuple(example.image_id for example in examples if example.image_id not in captions)
    return Matched(captions, tuple(str(row.key) for key, row in found if key is None), lacking)


class _Names:
    """What an image may be called, where only one of the split can be meant."""

    def __init__(self, examples: Sequence[Example], positions: Sequence[str] | None) -> None:
        self._known = {example.image_id for example in examples}
        places = {image_id: PurePosixPath(image_id) for image_id in self._known}
        stems = Counter(place.stem for place in places.values())
        bases = Counter(place.name for place in places.values())
        # the whole name wins over the file's, that over the name without its suffix
        self._names = {place.stem: image_id for image_id, place in places.items() if stems[place.stem] == 1}
        self._names |= {place.name: image_id for image_id, place in places.items() if bases[place.name] == 1}
        self._names |= {image_id: image_id for image_id in self._known}
        self._numbers: dict[int, str] = {}
        for example in examples:
            number = example.number
            number = _number_in(places[example.image_id].stem) if number is None else number
            if number is not None:
                self._numbers[number] = example.image_id
        self._positions = positions

    def find(self, key: int | str) -> str | None:
        """The image's id, None for one that is not in the split."""
        if isinstance(key, int):
            return self._numbered(key)
        parts = PurePosixPath(key.replace("\\", "/")).parts
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        stem = PurePosixPath(parts[-1]).stem if parts else ""
        for name in (key, *tails, stem):
            if name in self._names:
                return self._names[name]
        return self._numbered(int(key)) if key.isdecimal() and len(key) < 19 else None

    def _numbered(self, number: int) -> str | None:
        if self._positions is not None:
            image_id = self._positions[number] if 0 <= number < len(self._positions) else None
            return image_id if image_id in self._known else None
        return self._numbers.get(number) or self._names.get(str(number))


def _number_in(stem: str) -> int | None:
    found = _NUMBERED.fullmatch(stem)
    return int(found[1]) if found else None


def _nothing(path: Path, rows: Sequence[Hypothesis], examples: Sequence[Example], counted: bool) -> str:
    calls = first_of([str(row.key) for row in rows]) or "none"
    first = examples[0]
    known = f"{first.image_id}" + (f" (number {first.number})" if first.number is not None else "")
    hint = " A number is taken for the data set's own id; --positions makes it count from 0 in its list."
    return (
        f"None of the {len(rows)} captions of {path} is of one of the {len(examples)} images of this split. "
        f"The file names images {calls}; the split has images such as {known}."
        f"{'' if counted else hint}"
    )
