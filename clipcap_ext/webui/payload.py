"""Pictures that arrive as text: base64 or data: URIs to PIL, within limits; never an address, never a
path."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipcap_ext.errors import ImageError, UsageError

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGES = 64  # of one request; api.py asks
MAX_IMAGE_BYTES = 32 * 2**20  # of one picture's file
MAX_BODY_BYTES = 128 * 2**20  # of one request
MAX_REQUEST_PIXELS = 512_000_000  # of all its pictures: a small file may unpack to gigabytes
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class TooLarge(UsageError):
    """A picture or a request above the limits."""


def decode_images(texts: Sequence[str]) -> list[Image.Image | ImageError]:
    """The pictures in `texts`, of which one at a time is unpacked, and none before all are known to fit.

    One that cannot be read is its ImageError, which names it by its place. UsageError for what is no
    picture's file in base64, TooLarge above the limits.
    """
    from clipcap_ext.engine.images.reading import open_image, picture_size

    streams = [_stream(text, f"image {place}") for place, text in enumerate(texts, start=1)]
    pixels = sum(width * height for width, height in map(picture_size, streams))
    if pixels > MAX_REQUEST_PIXELS:
        raise TooLarge(
            f"The pictures have {pixels // 10**6} megapixels in all, and a request may have "
            f"{MAX_REQUEST_PIXELS // 10**6}: send fewer at once, or smaller ones."
        )
    return [_opened(stream, open_image) for stream in streams]


def _opened(stream: io.BytesIO, read: Callable[[io.BytesIO], Image.Image]) -> Image.Image | ImageError:
    try:
        return read(stream)
    except ImageError as error:
        return error


def _stream(text: str, name: str) -> io.BytesIO:
    """The file in `text`, named so that errors name it."""
    if ADDRESS.match(text):
        raise UsageError(
            f"{name} is an address, and addresses are not fetched: send the picture itself, in base64."
        )
    prefix = DATA_URI.match(text[:256])
    if prefix is None and text[:5].lower() == "data:":
        raise UsageError(f"{name} is a data: URI that is not base64: write data:image/png;base64,... .")
    encoded = text[prefix.end() :] if prefix else text
    if len(encoded) * 3 // 4 > MAX_IMAGE_BYTES:
        raise TooLarge(f"{name} is above {MAX_IMAGE_BYTES // 2**20} MB: send a smaller one.")
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            f"{name} is not base64 ({error}); paths of this machine are not read either."
        ) from error
    if not data:
        raise UsageError(f"{name} is empty.")
    stream = io.BytesIO(data)
    stream.name = name
    return stream
