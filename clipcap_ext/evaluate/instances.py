"""The objects that people marked in photos, from COCO's instances files; it looks at no caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from clipcap_ext.corpus import Example
from clipcap_ext.corpus.collecting import read_json
from clipcap_ext.errors import CorpusError, ScoringError, first_of
from clipcap_ext.metrics.chair import categories
from clipcap_ext.metrics.metric import Objects

PATTERN = "instances_*.json"


def marked_objects(place: Path | None, examples: Sequence[Example]) -> Objects | None:
    """image_id -> the categories marked in it, from an instances file or all of a folder; None without one.

    An image is known by its file's name, in the manner of 2014 or of 2017. CorpusError for a file that is
    none, ScoringError for an image that no file lists.
    """
    if place is None:
        return None
    numbers: dict[str, int] = {}
    marked: dict[int, set[str]] = {}
    for path in _files(place):
        _read(path, numbers, marked)
    found, missing = {}, []
    for example in examples:
        number = numbers.get(_plain_name(example.image_id))
        if number is None:
            missing.append(example.image_id)
        else:
            found[example.image_id] = frozenset(marked[number])
    if missing:
        raise ScoringError(
            f"{len(missing)} of {len(examples)} images are not listed in {place} ({first_of(missing)}): "
            "CHAIR needs the instances file of each. COCO's test photos of Karpathy's split are val2014's."
        )
    return found


def _files(place: Path) -> list[Path]:
    files = sorted(place.glob(PATTERN)) if place.is_dir() else [place]
    if not files or not all(path.is_file() for path in files):
        what = f"no {PATTERN} in it" if place.is_dir() else "no such file"
        raise CorpusError(f"--instances {place}: {what}.")
    return files


def _read(path: Path, numbers: dict[str, int], marked: dict[int, set[str]]) -> None:
    """One file into both tables: plain name -> number, number -> categories."""
    content = read_json(path)
    try:
        names = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        for image in content["images"]:
            numbers[_plain_name(str(image["file_name"]))] = int(image["id"])
            marked.setdefault(int(image["id"]), set())
        for one in content["annotations"]:
            marked[int(one["image_id"])].add(names[int(one["category_id"])])
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{path} is no instances file of COCO: {_said(error)}.") from error
    if not categories() & set(names.values()):
        raise CorpusError(f"{path} has none of COCO's 80 categories.")


def _plain_name(file: str) -> str:
    """COCO_val2014_000000391895.jpg and 000000391895.jpg are one photo."""
    stem = PurePosixPath(file).stem
    return stem.rpartition("_")[2] if stem.startswith("COCO_") else stem


def _said(error: Exception) -> Any:
    return f"no {error}" if isinstance(error, KeyError) else error
