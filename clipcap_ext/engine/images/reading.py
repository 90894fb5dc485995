"""Pictures of every kind, read as upright RGB on white with clear errors; it resizes for no model and writes
nothing.

Nothing global is touched: Pillow's own limits and switches stay as the host has set them.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from clipcap_ext.engine.images.formats import HEAD, readable_formats
from clipcap_ext.engine.images.png import pixels_only
from clipcap_ext.errors import ImageError, printable

MAX_PIXELS = (
    178_956_970  # where Pillow refuses by default; kept here too, for hosts that switch its check off
)
SHORT_SIDE = (
    1024  # a larger picture is shrunk by a whole factor that leaves its shortest side this many pixels
)
LARGE = 4_000_000  # pixels of a picture that is decoded alone, however many threads read pictures
_LARGE_ONES = threading.Lock()
BAND_ROWS = 256  # of the shrunk picture, made at a time
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
WHOLE_RANGE = ("I", "F")  # modes whose white is found by looking at the whole picture


def open_image(source: str | os.PathLike[str] | IO[bytes], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the first frame of a file or binary stream: upright, RGB, transparency laid on white.

    A large picture is shrunk on the way (see SHORT_SIDE), and such are decoded by one thread at a time, so
    that besides the one being decoded only small ones are in memory. Raises ImageError, which names the file
    and the reason, for whatever cannot be read whole.
    """
    if isinstance(source, (str, os.PathLike)):
        name = printable(os.fspath(source))
        _check_file(Path(source), name)
    else:
        name = printable(str(getattr(source, "name", "the picture")))
    try:
        if not isinstance(source, (str, os.PathLike)):
            return _read(source, max_pixels)
        with open(source, "rb") as stream:
            return _read(stream, max_pixels)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind there is
        raise ImageError(f"{name}: {_reason(error)}") from error


def picture_size(source: IO[bytes]) -> tuple[int, int]:
    """Width and height as the picture's head states them, without decoding it; (0, 0) if it states none."""
    source.seek(0)
    try:
        with Image.open(source, formats=readable_formats(source.read(HEAD))) as image:
            return image.size
    except Exception:  # whatever is wrong with it, opening it says so
        return 0, 0
    finally:
        source.seek(0)


def _read(stream: IO[bytes], max_pixels: int) -> Image.Image:
    head = stream.read(HEAD)
    stream.seek(0)
    formats = readable_formats(head)
    try:
        return _decoded(stream, formats, max_pixels)
    except (ValueError, SyntaxError, UnidentifiedImageError):
        bare = pixels_only(stream)
        if bare is None:
            raise
        return _decoded(bare, formats, max_pixels)


def _decoded(stream: IO[bytes], formats: list[str], max_pixels: int) -> Image.Image:
    with Image.open(stream, formats=formats) as image:
        if image.width * image.height > max_pixels:
            raise ImageError(
                f"too many pixels: {image.width} x {image.height}, the limit is {max_pixels} in all."
            )
        if min(image.size) > SHORT_SIDE:
            image.draft(None, (SHORT_SIDE, SHORT_SIDE))  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size
        with _LARGE_ONES if image.width * image.height > LARGE else nullcontext():
            return _upright(_shrunk(image), _orientation(image))


def _shrunk(image: Image.Image) -> Image.Image:
    """RGB, reduced by a whole factor as long as the shortest side keeps SHORT_SIDE pixels.

    In bands, so that no second full-size copy is made on the way from the file's mode to RGB.
    """
    factor = min(image.size) // SHORT_SIDE
    if factor < 2 or image.mode.startswith(WHOLE_RANGE):
        rgb = to_rgb(image)
        return rgb.reduce(factor) if factor > 1 else rgb
    image.load()
    width, height = image.size
    shrunk = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, BAND_ROWS * factor):
        band = image.crop((0, top, width, min(height, top + BAND_ROWS * factor)))
        band.info, band.format = image.info, image.format
        shrunk.paste(to_rgb(band).reduce(factor), (0, top // factor))
    return shrunk


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
    values: np.ndarray = np.asarray(image).astype(np.float32)  # (H, W)
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


def _check_file(path: Path, name: str) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        why = "a link to nothing" if path.is_symlink() else "no such file"
        raise ImageError(f"{name}: {why}.") from error
    except OSError as error:
        raise ImageError(f"{name}: it cannot be looked at ({error.strerror or error}).") from error
    if stat.S_ISDIR(status.st_mode):
        reason = "a folder, not a picture" if os.access(path, os.R_OK) else "this folder may not be read"
        raise ImageError(f"{name}: {reason}.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{name}: not a regular file.")
    if status.st_size == 0:
        raise ImageError(f"{name}: the file is empty (0 bytes).")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format known here."
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"too many pixels: {error}"
    if isinstance(error, PermissionError):
        return "the file may not be read (permission denied)."
    return f"damaged or cut short ({type(error).__name__}: {error})."
