"""What an image file is known by, so that a checkpoint can remember what it was trained on, and what a
picture is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.files import file_sha256

if TYPE_CHECKING:
    from PIL import Image

CHUNK = 4096  # fingerprints written together
LENGTH = 16  # hex digits; a million images collide with a chance of 3e-8


def image_fingerprint(source: Path | bytes) -> str:
    """The first 16 hex digits of the SHA-256 of an image file's bytes.

    A copy under another name has the same fingerprint; the same photo saved anew has another. OSError if
    unreadable.
    """
    whole = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else file_sha256(source)
    return whole[:LENGTH]


def pixel_key(image: Image.Image) -> str:
    """A digest of size and pixels: the same picture has the same key whatever its file is called."""
    digest = hashlib.sha256(repr((image.mode, image.size)).encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def write_fingerprints(path: Path, fingerprints: Iterable[str]) -> None:
    """Write them as a sorted JSON list, each once; millions of them take few bytes more memory than their
    digits."""
    import numpy as np

    ordered = np.unique(np.fromiter(fingerprints, dtype=f"S{LENGTH}"))
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK].tolist()
            rows = json.dumps([fingerprint.decode() for fingerprint in chunk])
            file.write((", " if start else "") + rows[1:-1])
        file.write("]\n")
