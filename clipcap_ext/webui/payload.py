"""Pictures that arrive as text: base64 or data: URIs to PIL, within limits; never an address, never a
path."""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import TYPE_CHECKING

from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGES = 64
MAX_IMAGE_BYTES = 32 * 2**20  # of one picture's file
MAX_BODY_BYTES = 128 * 2**20  # of one request
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class TooLarge(UsageError):
    """A picture or a request above the limits."""


def decode_image(text: str, name: str) -> Image.Image:
    """The picture in `text`; UsageError or ImageError name it and say what is wrong, TooLarge above the
    limit."""
    from clipcap_ext.engine.images.reading import open_image

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
    return open_image(io.BytesIO(data))
