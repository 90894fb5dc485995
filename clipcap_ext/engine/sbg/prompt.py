"""SBG's text: keywords to the prompt, and prompt with caption to a training text. The one writer of both."""

from __future__ import annotations

from collections.abc import Sequence

from clipcap_ext.caption import Keyword
from clipcap_ext.engine.checkpoint.tokenizer import END_OF_TEXT
from clipcap_ext.engine.sbg.labels import check_text

SEPARATOR = "###"


def format_prompt(keywords: Sequence[Keyword | str]) -> str:
    """`dog, snow, running ###`: the keywords in their order, a blank and the separator.

    UsageError for a keyword that is empty or holds a comma, a line break or the separator.
    """
    texts = [keyword if isinstance(keyword, str) else keyword.text for keyword in keywords]
    for text in texts:
        check_text(text)
    return f"{', '.join(texts)} {SEPARATOR}"


def training_text(keywords: Sequence[Keyword | str], caption: str) -> str:
    """`dog, snow, running ### a dog runs .<|endoftext|>`: the prompt, a blank, the caption in lower case, the
    end."""
    return f"{format_prompt(keywords)} {caption.lower()}{END_OF_TEXT}"


def cut_at_separator(text: str) -> str:
    """What stands before a further separator in a generated text, as the published procedure cuts it."""
    return text.split(SEPARATOR)[0]
