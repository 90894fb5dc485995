"""The layout `karpathy`: Karpathy's dataset_{flickr8k,flickr30k,coco}.json, which carries its own splits."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, read_json
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.errors import CorpusError


def find(place: Path) -> list[Path]:
    """dataset_*.json in a folder; or the file itself if its images have sentences."""
    if place.is_dir():
        return sorted(place.glob("dataset_*.json"))[:1]
    return [place] if place.suffix == ".json" and _images(read_json(place)) else []


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Each image's raw sentences; `restval` counts as training, as everybody trains."""
    for path in files:
        images = _images(read_json(path))
        if not images:
            raise CorpusError(
                f"{path} has no list of images with sentences: it is not one of Karpathy's files."
            )
        for number, image in enumerate(images):
            where = f"{path.name}:images[{number}]"
            try:
                name, split, sentences = image["filename"], image.get("split"), image["sentences"]
                collector.describe(name, image.get("cocoid", image.get("imgid")))
                for sentence in sentences:
                    collector.add(name, sentence["raw"], where, split)
            except (KeyError, TypeError, AttributeError) as error:
                collector.complain(where, f"is not an image with filename and sentences ({error!r}).")


def _images(content: object) -> list:
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        return []
    return images if any(isinstance(image, dict) and "sentences" in image for image in images[:100]) else []


KARPATHY = Layout(
    "karpathy", "dataset_flickr8k.json, dataset_flickr30k.json or dataset_coco.json", find, read
)
