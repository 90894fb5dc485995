"""Which article stands before an English word."""

from __future__ import annotations

import re

VOWEL_SOUND = re.compile(r"(?!uni|use|usu|eu|one\b|once)(?:[aeiou]|hour|honest|honou?r|heir)", re.IGNORECASE)


def article_for(word: str) -> str:
    """ "an" before a vowel's sound, "a" before any other; by the letters, so not always right."""
    return "an" if VOWEL_SOUND.match(word) else "a"
