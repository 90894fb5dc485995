"""From what an image-to-text model wrote to a caption, by the task it was asked for; no model."""

from __future__ import annotations

import re

from clipcap_ext.caption_text import clean_caption

BETWEEN = re.compile(r"(?:<[^<>]*>|[,;\n])+")  # tags; places in a picture, as <loc_12>, stand there, too
BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


def text_of(written: str, task: str) -> str:
    """A sentence as the paper cleans it; tags with commas between, each once; anything else whole, in one
    line."""
    if task == "sentence":
        return clean_caption(written)
    return tags_of(written) if task == "tags" else " ".join(written.split())


def tags_of(written: str) -> str:
    """`dog<loc_1><loc_2>cat` or a list of lines -> `dog, cat`."""
    parts = [" ".join(BULLET.sub("", part).split()).strip(" .") for part in BETWEEN.split(written)]
    return ", ".join(dict.fromkeys(part for part in parts if part))
