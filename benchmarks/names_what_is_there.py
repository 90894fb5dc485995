"""Whether captions name what is there: the main thing of each photo, and how much of what they name is right.

A thing is one line of things.txt. A photo's main things are those that at least three of its people say; a
thing is there if anybody says it. The photos are a folder with photos.csv (file, c1, c2, ...) or any data set
the package reads.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

THINGS = Path(__file__).with_name("things.txt")


@dataclass(frozen=True)
class Photo:
    """One photo and what people said of it."""

    name: str
    path: Path
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Naming:
    """Counts over photos: `with_main` have a main thing, in `hits` of them one is named; `right` of `said`
    are there."""

    photos: int
    with_main: int
    hits: int
    said: int
    right: int

    @property
    def named(self) -> float:
        """Share of the photos with a main thing in which one is named."""
        return self.hits / self.with_main if self.with_main else 0.0

    @property
    def precision(self) -> float:
        """Share of the things named that are there."""
        return self.right / self.said if self.said else 0.0


class Things:
    """Finds things in texts, as CHAIR finds objects; the words are another list's."""

    def __init__(self, lines: Sequence[str]) -> None:
        from clipcap_ext.metrics.chair import NamedThings

        rows = [(head.strip(), rest) for head, _, rest in (line.partition(":") for line in lines)]
        self._named = NamedThings(
            {head: [head, *filter(None, (word.strip() for word in rest.split(",")))] for head, rest in rows}
        )

    def said_in(self, text: str) -> set[str]:
        """The things a text names, each by its line's first word."""
        return set(self._named.mentions(text))


def load_things(path: Path = THINGS) -> Things:
    """The list beside this file, or another of its form."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return Things([line for line in lines if line.strip() and not line.startswith("#")])


def measure(things: Things, captions: Mapping[str, str], photos: Sequence[Photo], agree: int = 3) -> Naming:
    """How well `captions` (photo name -> text) name what `agree` of each photo's people say."""
    with_main = hits = said = right = 0
    for photo in photos:
        people = Counter(thing for text in photo.texts for thing in things.said_in(text))
        main = {thing for thing, count in people.items() if count >= agree}
        ours = things.said_in(captions[photo.name])
        with_main += bool(main)
        hits += bool(main & ours)
        said += len(ours)
        right += sum(thing in people for thing in ours)
    return Naming(len(photos), with_main, hits, said, right)


def read_photos(folder: Path, split: str = "") -> list[Photo]:
    """The photos of a folder with photos.csv, or those of a data set the package reads (of `split` alone)."""
    table = folder / "photos.csv"
    if table.is_file():
        with table.open(encoding="utf-8", newline="") as rows:
            return [_photo(folder, row) for row in csv.DictReader(rows)]
    from clipcap_ext.corpus.reading import read_corpus

    examples = read_corpus(folder).examples
    return [
        Photo(one.image_id, one.path, one.captions) for one in examples if not split or one.split == split
    ]


def _photo(folder: Path, row: Mapping[str, str]) -> Photo:
    texts = tuple(text for name, text in row.items() if re.fullmatch(r"c\d+", name) and text)
    return Photo(row["file"], folder / row["file"], texts)


def read_captions(path: Path, photos: Sequence[Photo]) -> dict[str, str]:
    """Captions by photo: a JSON object, a JSON list, or JSON lines of {"file", "image" or "image_id",
    "caption"}."""
    text = path.read_text(encoding="utf-8")
    stems = {Path(photo.name).stem: photo.name for photo in photos}
    found = {stems.get(Path(name).stem, name): caption for name, caption in _pairs(text)}
    missing = [photo.name for photo in photos if photo.name not in found]
    if missing:
        raise SystemExit(f"{path} has no caption for {len(missing)} photos, the first is {missing[0]}.")
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip().startswith("[") or "\n{" not in text.strip():
        held = json.loads(text)
        rows = held.items() if isinstance(held, dict) and "caption" not in held else None
        if rows is not None:
            yield from rows
            return
        entries = held if isinstance(held, list) else [held]
    else:
        entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    for entry in entries:
        name = next(entry[key] for key in ("file", "image", "image_id", "path") if key in entry)
        yield Path(str(name)).name, entry["caption"]


def caption_all(model: str, photos: Sequence[Photo], when_unsure: str) -> dict[str, str]:
    """Captions of all photos by a model of this package, with its own decode options but for one."""
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.engine.images.reading import open_image

    captioner = load_captioner(model)
    options = captioner.default_options.with_changes(when_unsure=when_unsure)
    return {photo.name: captioner.caption([open_image(photo.path)], options)[0].text for photo in photos}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout
    from clipcap_ext.caption import WHEN_UNSURE

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder with photos.csv, or a data set")
    parser.add_argument("--split", default="", help="of a data set with splits, this one alone")
    parser.add_argument("--agree", type=int, default=3, help="how many people must say a main thing")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--captions", type=Path, help="captions made elsewhere, JSON or JSON lines")
    what.add_argument("--model", help="a model of this package, for instance tiny-flickr8k")
    parser.add_argument("--when-unsure", choices=tuple(WHEN_UNSURE), default="whole",
                        help="what counts of captions of which the model is not sure")  # fmt: skip
    parser.add_argument("--show", action="store_true", help="print each caption with what it names")
    arguments = parser.parse_args()
    photos, things = read_photos(arguments.photos, arguments.split), load_things()
    if arguments.model:
        captions = caption_all(arguments.model, photos, arguments.when_unsure)
    else:
        captions = read_captions(arguments.captions, photos)
    if arguments.show:
        for photo in photos:
            print(f"{photo.name}  {captions[photo.name]}  {sorted(things.said_in(captions[photo.name]))}")
    found = measure(things, captions, photos, arguments.agree)
    print(f"main thing named  {found.named:.3f}  ({found.hits} of {found.with_main}, {found.photos} photos)")
    print(f"precision         {found.precision:.3f}  ({found.right} of {found.said} things named)")


if __name__ == "__main__":
    main()
