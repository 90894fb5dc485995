"""The layout `sidecar`: a folder of images, each with a text file of the same name beside it, a caption a
line."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, text_lines
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.engine.images.finding import find_images

SUFFIXES = (".txt", ".caption")


def find(place: Path) -> list[Path]:
    """The images below a folder, if at least one has a text file beside it."""
    images = find_images([place]) if place.is_dir() else []
    return images if any(_beside(image) for image in images) else []


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Each image's lines; an image is called by its path below the root. An image without a text is a
    problem."""
    for image in files:
        name = image.relative_to(root).as_posix()
        text = _beside(image)
        if text is None:
            collector.complain(name, f"has no {' or '.join(SUFFIXES)} file beside it.")
            continue
        has_caption = False
        for where, line in text_lines(text, collector):
            collector.add(name, line, where)
            has_caption = True
        if not has_caption:
            collector.complain(name, f"{text.name} holds no caption.")


def _beside(image: Path) -> Path | None:
    return next((path for path in map(image.with_suffix, SUFFIXES) if path.is_file()), None)


SIDECAR = Layout("sidecar", "images with a .txt or .caption file of the same name beside them", find, read)
