"""Small pictures of a folder as text that a page can hold; it draws no page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from clipcap_ext.corpus.collecting import ImageFinder
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import ImageError, UsageError

SIDE = 320  # pixels at most
QUALITY = 72


def chosen(image_ids: Sequence[str], count: int) -> list[str]:
    """`count` of the images, evenly spaced in their order, so that nobody picked them."""
    count = min(count, len(image_ids))
    return [image_ids[place * len(image_ids) // count] for place in range(count)]


def thumbnails(folder: Path | None, image_ids: Sequence[str]) -> dict[str, str]:
    """image_id -> a data: address of a small JPEG, of those that are found in `folder` and can be read.

    UsageError if there is no such folder. Names lead nowhere outside it.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise UsageError(f"--images {folder}: no such folder.")
    finder, made = ImageFinder(folder, folder), {}
    for image_id in image_ids:
        path = finder.find(image_id)
        if path is None or not path.resolve().is_relative_to(folder.resolve()):
            continue
        try:
            made[image_id] = _address(path)
        except ImageError:
            continue  # its captions stand without it
    return made


def _address(path: Path) -> str:
    picture, file = open_image(path).convert("RGB"), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
