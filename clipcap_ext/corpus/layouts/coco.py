"""The layout `coco`: COCO captions JSON, images and annotations joined by id; other COCO tasks are not
read."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.corpus.collecting import ANNOTATIONS, Collector, read_json
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.errors import CorpusError

NAMES = ("captions_*.json", "nocaps_*_captions.json")


def find(place: Path) -> list[Path]:
    """captions_*.json, or nocaps' file, in a folder or in its `annotations`; or the file itself if it has
    images and annotations."""
    if place.is_dir():
        tried = [sorted(folder.glob(name)) for name in NAMES for folder in (place, place / ANNOTATIONS)]
        return next(filter(None, tried), [])
    return [place] if place.suffix == ".json" and _parts(read_json(place)) else []


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Annotations into the collector, in the order of the images; the file's name says the split."""
    for path in files:
        images, annotations = _parts(read_json(path)) or ([], [])
        if not images:
            raise CorpusError(f"{path} has no images and annotations: it is not a COCO captions file.")
        split = next((split for split in ("train", "val", "test") if f"_{split}" in path.stem), None)
        names = _names(images, path, collector)
        order = {image_id: position for position, image_id in enumerate(names)}
        captions: list[tuple[int, int, str]] = []
        for number, annotation in enumerate(annotations):
            where = f"{path.name}:annotations[{number}]"
            try:
                captions.append((order[annotation["image_id"]], number, annotation["caption"]))
            except (KeyError, TypeError) as error:
                collector.complain(where, f"names no image of this file or has no caption ({error!r}).")
        by_position = list(names.values())
        for position, number, caption in sorted(captions, key=lambda row: row[:2]):
            collector.add(by_position[position], caption, f"{path.name}:annotations[{number}]", split)


def _names(images: list, path: Path, collector: Collector) -> dict[object, str]:
    names: dict[object, str] = {}
    for number, image in enumerate(images):
        try:
            names[image["id"]] = image["file_name"]
            collector.describe(image["file_name"], image["id"], image.get("domain"))
        except (KeyError, TypeError) as error:
            collector.complain(f"{path.name}:images[{number}]", f"has no id or file_name ({error!r}).")
    return names


def _parts(content: object) -> tuple[list, list] | None:
    if not isinstance(content, dict):
        return None
    images, annotations = content.get("images"), content.get("annotations")
    return (images, annotations) if isinstance(images, list) and isinstance(annotations, list) else None


COCO = Layout("coco", "captions_*.json or nocaps_*_captions.json, there or in annotations/", find, read)
