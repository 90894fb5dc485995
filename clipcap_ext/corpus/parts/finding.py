"""A data set too large to list: parts that are read one after the other, each by one process; it opens no
picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from clipcap_ext.corpus.examples import Problem, Sample
from clipcap_ext.corpus.parts.tar_parts import TAR_SUFFIXES, TarPart
from clipcap_ext.corpus.parts.tsv_parts import tsv_parts
from clipcap_ext.engine.images.finding import natural_key
from clipcap_ext.errors import CorpusError

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Part(Protocol):
    """A piece of a data set: one tar, or some rows of a table."""

    @property
    def name(self) -> str:
        """Unlike that of any other part of the data set."""
        ...

    @property
    def stamp(self) -> str:
        """Another one once the piece has changed on disk."""
        ...

    def read(self) -> Iterator[Sample | Problem]:
        """Its samples in order, with a Problem for each thing that is of no use; it never raises for
        those."""
        ...


def find_parts(places: Iterable[str], images: Path | None = None, image_name: str = "") -> list[Part]:
    """The parts that `places` name, in order: tars (braces as in `{0000..0099}.tar` are expanded), folders of
    tars, tables `caption<TAB>url` whose pictures lie in the folder `images` under `image_name` (see
    tsv_parts).

    Raises CorpusError where there is nothing, UsageError for an image_name that does not fit.
    """
    paths = [Path(text).expanduser() for place in places for text in expand_braces(place)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise CorpusError(
            f"{len(missing)} of {len(paths)} shards are not there, the first of them {missing[0]}."
        )
    tars: list[Path] = []
    parts: list[Part] = []
    for path in paths:
        if path.suffix == ".tsv":
            parts += tsv_parts(path, images, image_name)
        else:
            tars += _tars_in(path) if path.is_dir() else [path]
    return [*_tar_parts(tars), *parts]


def expand_braces(text: str) -> list[str]:
    """`a{08..10}b{x,y}` -> a08bx, a08by, a09bx, ...; a number keeps the zeros in front of it. No nesting."""
    braces = BRACES.search(text)
    if braces is None:
        return [text]
    numbers = RANGE.fullmatch(braces[1])
    if numbers:
        first, last, width = int(numbers[1]), int(numbers[2]), len(numbers[1])
        step = 1 if last >= first else -1
        alternatives = [f"{number:0{width}}" for number in range(first, last + step, step)]
    elif "," in braces[1]:
        alternatives = braces[1].split(",")
    else:
        alternatives = [braces[0]]
    before, after = text[: braces.start()], expand_braces(text[braces.end() :])
    return [f"{before}{word}{rest}" for word in alternatives for rest in after]


def _tars_in(folder: Path) -> list[Path]:
    names = [path.name for path in folder.iterdir() if path.name.endswith(TAR_SUFFIXES) and path.is_file()]
    if not names:
        raise CorpusError(
            f"{folder} holds no shards ({', '.join(TAR_SUFFIXES)}). For Conceptual Captions name the .tsv "
            "itself; other data sets need no shards: training reads them as they lie."
        )
    return [folder / name for name in sorted(names, key=natural_key)]


def _tar_parts(paths: list[Path]) -> list[Part]:
    """Named by the file alone, so that a moved data set is the same one; by the whole path if two names are
    alike."""
    counts = Counter(path.name for path in paths)
    twice = [path for path, count in Counter(map(str, paths)).items() if count > 1]
    if twice:
        raise CorpusError(f"{twice[0]} is named {paths.count(Path(twice[0]))} times in the data set.")
    return [TarPart(path, path.name if counts[path.name] == 1 else str(path)) for path in paths]
