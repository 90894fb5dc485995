"""Pictures of every kind, read as upright RGB on white with clear errors; it neither resizes for a model nor
writes.

Nothing global is touched: Pillow's own limits and switches stay as the host has set them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from clipcap_ext.engine.images.finding import IMAGE_SUFFIXES, find_images, named_path
from clipcap_ext.errors import ImageError

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "find_images", "named_path", "open_image", "to_rgb"]

MAX_PIXELS = (
    178_956_970  # where Pillow refuses by default; kept here too, for hosts that switch its check off
)
DRAFT_SIDE = (
    1024  # a JPEG is decoded at 1/2, 1/4 or 1/8 size as long as its shortest side keeps this many pixels
)
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
PLUGINS = {
    ".heic": "pillow-heif",
    ".heif": "pillow-heif",
    ".jxl": "pillow-jxl-plugin",
    ".avif": "pillow-heif",
}


def open_image(source: str | os.PathLike[str] | IO[bytes], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the first frame of a file or binary stream: upright, RGB, transparency laid on white.

    Raises ImageError, which names the file and the reason, for whatever cannot be read whole.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        _check_file(Path(name))
    else:
        name = str(getattr(source, "name", "the picture"))
    try:
        with Image.open(source) as image:
            if image.width * image.height > max_pixels:
                raise ImageError(
                    f"too many pixels: {image.width} x {image.height}, the limit is {max_pixels} in all."
                )
            if min(image.size) > DRAFT_SIDE:
                image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
            return _upright(to_rgb(image), _orientation(image))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind there is
        raise ImageError(f"{name}: {_reason(error, name)}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode Pillow knows -> RGB: transparency on white, 16 and 32 bits scaled to 8, CMYK by its
    convention."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image).convert("RGB")
    if image.mode == "CMYK":
        return _cmyk(image).convert("RGB")
    if image.mode in ("P", "RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise ImageError(f"pixels of kind {image.mode} cannot be shown as RGB") from error


def _on_white(image: Image.Image) -> Image.Image:
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
    rgba = (image.convert(straight) if straight else image).convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Integers of 16 bits fall from 65535 to 255. Wider ones and floats, whose white no file states, by their
    range."""
    values = np.asarray(image).astype(np.float32)  # (H, W)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if sixteen or (image.mode == "I" and low >= 0 and 255 < high <= 65535):
        values = values / 257
    elif image.mode == "F" and low >= 0 and high <= 1:
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / max(high - low, 1e-9))
    return Image.fromarray(np.round(values).clip(0, 255).astype(np.uint8))


def _cmyk(image: Image.Image) -> Image.Image:
    """Pillow takes every CMYK JPEG for one of Adobe's, whose ink is inverted; one without Adobe's mark is
    not."""
    if image.format == "JPEG" and "adobe" not in image.info:
        return ImageChops.invert(image)
    return image


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns these as it loads them, and old versions keep the tag
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block costs the rotation, not the picture
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _check_file(path: Path) -> None:
    if path.is_dir():
        reason = (
            "it is a folder, not a picture" if os.access(path, os.R_OK) else "this folder may not be read"
        )
        raise ImageError(f"{path}: {reason}.")
    if not path.exists():
        raise ImageError(f"{path}: no such file.")
    if not path.is_file():
        raise ImageError(f"{path}: not a regular file.")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes).")


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, UnidentifiedImageError):
        plugin = PLUGINS.get(os.path.splitext(name)[1].lower())
        hint = f", or one that needs the package {plugin}" if plugin else ""
        return f"not a picture in a format known here{hint}."
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"too many pixels: {error}"
    if isinstance(error, PermissionError):
        return "the file may not be read (permission denied)."
    return f"damaged or cut short ({type(error).__name__}: {error})."
