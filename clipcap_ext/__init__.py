"""Captions for images, from a terminal or inside a Stable Diffusion WebUI; importing this loads no torch.

from clipcap_ext import load_captioner, open_image
print(load_captioner("tiny-flickr8k").caption([open_image("photo.jpg")])[0].text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.engine.images.reading import open_image

__version__ = "0.1.0"
__all__ = ["__version__", "load_captioner", "open_image"]

LAZY = {"load_captioner": "clipcap_ext.engine.factory", "open_image": "clipcap_ext.engine.images.reading"}


def __getattr__(name: str) -> Any:
    """The package's two functions, imported when they are asked for."""
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LAZY[name]), name)
