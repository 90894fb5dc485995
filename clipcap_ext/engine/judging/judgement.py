"""What a picture says of a caption and of each word in it: plain data, no model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The picture speaks against a word where the caption without it is nearer by more than this share of its
# cosine: measured by benchmarks/unsupported_words.py with the bundled encoder, see docs/tab.md.
LEAST = -0.1


@dataclass(frozen=True)
class WordEvidence:
    """A word of meaning in text[start:end]: `gain` is how much nearer to the picture the caption is with it
    (cosine), `share` the same as a share of its sentence's cosine; `without` is the caption less the word and
    what hangs on it."""

    text: str
    start: int
    end: int
    gain: float
    share: float
    without: str

    @property
    def unsupported(self) -> bool:
        """Whether the picture speaks against it."""
        return self.share < LEAST


@dataclass(frozen=True)
class Judgement:
    """A caption's cosine with the picture, and the evidence for each of its words, in their order."""

    text: str
    similarity: float
    words: tuple[WordEvidence, ...] = ()

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The words that the picture speaks against."""
        return tuple(word.text for word in self.words if word.unsupported)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        words = [{**asdict(word), "unsupported": word.unsupported} for word in self.words]
        return {"text": self.text, "similarity": self.similarity, "words": words}
