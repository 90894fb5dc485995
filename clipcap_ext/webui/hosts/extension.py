"""The one service of the process and what the host's scripts ask of it; survives "Reload UI", knows no
gradio."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clipcap_ext.caption_text import plain_caption
from clipcap_ext.service.doubt_words import doubt_text
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.hosts import find_host
from clipcap_ext.webui.prompts import merged_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image


@lru_cache(maxsize=1)
def service() -> CaptionService:
    """The captioner that the tab, the scripts and the REST routes share: weights are in memory once."""
    return CaptionService(find_host())


def chosen_model(asked: str = "") -> str:
    """`asked` (an unknown one is an error later), else the settings page's, else the first that works; else
    empty."""
    usable = [entry.name for entry in service().models() if not entry.problem]
    preferred = service().host.setting("clipcap_model", "")
    return asked or (preferred if preferred in usable else next(iter(usable), ""))


def model_names() -> list[str]:
    """Names for a choice in the host's interface."""
    return [entry.name for entry in service().models() if not entry.problem]


def caption_inside(images: Sequence[Image.Image], model: str = "") -> list[str]:
    """One caption an image, worded as in the tab, for code that the host runs inside its queue.

    Empty, and reported, where the model is not sure: nobody sees the text before it is saved.

    Errors as in CaptionService.
    """
    with service().host.within_queue():
        result = service().caption(images, chosen_model(model))
    for caption in result.captions:
        if caption.doubt:
            reason = f"no caption is kept of a picture, {doubt_text(caption.doubt)}"
            service().host.report(reason, exc_info=False)
    return ["" if caption.doubt else plain_caption(caption.text) for caption in result.captions]


def interrogate(image: Any) -> str:
    """A caption for the host's prompt box, from a click outside the queue; empty without a picture."""
    if image is None:
        return ""
    return merged_prompt("", service().caption([image], chosen_model()).captions[0].text, "replace")
