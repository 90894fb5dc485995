"""The layout `sidecar`: a folder of images, each with a text file of the same name beside it, a caption a
line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, text_lines
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.layouts.caption_files import FORMATS
from clipcap_ext.engine.images.finding import find_images


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
            collector.complain(name, f"has no {' or '.join(FORMATS)} file beside it.")
            continue
        has_caption = False
        for where, line in _lines(text, collector):
            collector.add(name, line, where)
            has_caption = True
        if not has_caption:
            collector.complain(name, f"{text.name} holds no caption.")


def _beside(image: Path) -> Path | None:
    return next((path for path in map(image.with_suffix, FORMATS) if path.is_file()), None)


def _lines(text: Path, collector: Collector) -> Iterator[tuple[str, str]]:
    """(where, line) of each caption; what is not of its form is a problem."""
    form = FORMATS[text.suffix]
    if form.is_plain:
        yield from text_lines(text, collector)
        return
    try:
        content = form.decode(text.read_bytes())
    except ValueError as error:
        collector.complain(text.name, f"is not {form.what}: {error}.")
        return
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield f"{text.name}:{number}", line


SIDECAR = Layout(
    "sidecar", f"images with a {' or '.join(FORMATS)} file of the same name beside them", find, read
)
