"""The formats that pictures may have, told by their first bytes, and the plugins that some of them need.

Pillow itself would open anything it has a reader for, PostScript by a program of its own included; only what
is listed here is ever handed to a reader. A plugin is imported when the first picture of its kind is met.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from clipcap_ext.errors import ImageError

# Pillow's names of the formats whose readers are code of its own, start nothing and look at no other file.
FORMATS = (
    "JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF", "ICO",
    "ICNS", "QOI", "PSD", "PCX", "DDS", "SGI", "HEIF", "JXL",
)  # fmt: skip
HEAD = 32  # bytes that tell a kind
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")


@dataclass(frozen=True)
class Plugin:
    """A package that teaches Pillow a format: its name for pip, its module, and what to call once it is
    there."""

    format: str
    package: str
    module: str
    register: Callable[[Any], None] = lambda module: None


PLUGINS = (
    Plugin("HEIF", "pillow-heif", "pillow_heif", lambda module: module.register_heif_opener()),
    Plugin("JXL", "pillow-jxl-plugin", "pillow_jxl"),
    Plugin("AVIF", "pillow-avif-plugin", "pillow_avif"),  # Pillow reads it by itself from 11.3 on
)


def readable_formats(head: bytes) -> list[str]:
    """Those of FORMATS that can be read here, a plugin for `head`'s format among them.

    head: a picture's first HEAD bytes. ImageError if it needs a plugin that is not installed.
    """
    Image.init()
    plugin = plugin_for(head)
    if plugin is not None and plugin.format not in Image.OPEN:
        _import(plugin)
    return [name for name in FORMATS if name in Image.OPEN]


def plugin_for(head: bytes) -> Plugin | None:
    """The plugin that reads pictures which begin so, None for those that Pillow always reads."""
    return next((plugin for plugin in PLUGINS if plugin.format == _optional_format(head)), None)


def _optional_format(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, len(head), 4))]
        if any(brand in AVIF_BRANDS for brand in brands):
            return "AVIF"
        return "HEIF" if any(brand in HEIF_BRANDS for brand in brands) else ""
    return "JXL" if head.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")) else ""


def _import(plugin: Plugin) -> None:
    try:
        plugin.register(importlib.import_module(plugin.module))
    except ImportError as error:
        raise ImageError(
            f"a picture of kind {plugin.format}, which needs the package {plugin.package}: "
            f"pip install {plugin.package}"
        ) from error
    if plugin.format not in Image.OPEN:
        raise ImageError(
            f"a picture of kind {plugin.format}, which the installed {plugin.package} cannot read: update it"
        )
