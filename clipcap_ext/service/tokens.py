"""How many of the 75 places of a Stable Diffusion prompt a text takes, counted with CLIP's own vocabulary."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

CHUNK = 75  # what CLIP's context of 77 leaves beside the start and the end


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


def count_tokens(text: str) -> int | None:
    """CLIP tokens of `text`, the start and end tokens not counted; None where open_clip, which has the
    vocabulary, is missing."""
    try:
        return len(_tokenizer().encode(text)) if text.strip() else 0
    except ModuleNotFoundError:
        return None
