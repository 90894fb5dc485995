"""How a caption's text ends: as the models write it, with " .", and as people do, without; no
model."""

from __future__ import annotations

import re


def clean_caption(text: str) -> str:
    """The paper's clean-up of what GPT-2 wrote: up to the first full stop, blanks collapsed, then " ."."""
    return " ".join(text.split(".")[0].split()) + " ."


def with_full_stop(text: str) -> str:
    """A person's caption as a model learns to end it."""
    return text.rstrip(" .") + " ."


def learnt_caption(text: str, *, lowercase: bool, end_stop: bool) -> str:
    """A person's caption as a model learns it: blanks collapsed, in lower case and with its full stop where
    wanted."""
    text = " ".join(text.split())
    text = text.lower() if lowercase else text
    return with_full_stop(text) if end_stop else text


def plain_caption(text: str) -> str:
    """A caption as people write it: the model's closing " ." is left out; a tag such as ... or ._. stays."""
    return re.sub(r"(?<![._])\.$", "", " ".join(text.split())).rstrip()
