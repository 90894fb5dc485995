"""What an image file is known by, so that a checkpoint can remember what it was trained on; it decodes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

LENGTH = 16  # hex digits; a million images collide with a chance of 3e-8


def image_fingerprint(source: Path | bytes) -> str:
    """The first 16 hex digits of the SHA-256 of an image file's bytes.

    A copy under another name has the same fingerprint; the same photo saved anew has another. OSError if unreadable.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    return hashlib.sha256(content).hexdigest()[:LENGTH]
