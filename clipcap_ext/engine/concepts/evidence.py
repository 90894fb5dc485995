"""Evidence: the strongest concepts of an image, and the one text they make for a language model; no image is
read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcap_ext.errors import UsageError

MARKS = "=+-"  # sure, likely, maybe: one token each in any byte-level vocabulary
END = " :"
STEPS = 1e5  # of a probability


@dataclass(frozen=True)
class Evidence:
    """A concept seen in one image, with its probability."""

    word: str
    probability: float


@dataclass(frozen=True)
class EvidenceConfig:
    """Which concepts count as evidence, and from which probability on they are called sure and likely.

    Where the concepts of a kind have a probability of `general` together and none has one of `guess` (0:
    never), the kind's general word stands for them.
    """

    most: int = 3
    low: float = 0.08
    likely: float = 0.2
    sure: float = 0.5
    tokens: int = 14  # most tokens of the text they make
    gate_rank: int = 48  # width in which the copy gate compares words with what is due
    general: float = 0.0
    guess: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.likely <= self.sure <= 1 or self.most < 1 or self.tokens < 2:
            raise UsageError(
                "Evidence needs 0 <= low <= likely <= sure <= 1, most of 1 and tokens of 2 at least."
            )
        if not 0 <= self.guess <= self.general <= 1:
            raise UsageError("Evidence needs 0 <= guess <= general <= 1.")

    def mark(self, probability: float) -> str:
        """How sure a probability is, as one of MARKS."""
        if probability >= self.sure:
            return MARKS[0]
        return MARKS[1] if probability >= self.likely else MARKS[2]


def strongest(scores: Tensor, words: Sequence[str], config: EvidenceConfig) -> list[tuple[Evidence, ...]]:
    """scores (B, len(words)), probabilities -> each image's evidence, the most probable first."""
    if not len(scores) or not words:
        return [()] * len(scores)
    best = torch.sort(in_steps(scores), dim=-1, descending=True, stable=True)
    rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [
        tuple(
            Evidence(words[place], value)
            for value, place in zip(values[: config.most], places, strict=False)
            if value >= config.low
        )
        for values, places in rows
    ]


def in_steps(scores: Tensor) -> Tensor:
    """Probabilities in steps coarse enough that no last digit, which differs between processors, decides an
    order or a threshold; on the CPU."""
    return (scores.double().cpu() * STEPS).round() / STEPS


def evidence_text(marked: Sequence[tuple[str, str]]) -> str:
    """` cat=, sofa- :`: words with their marks, then the end that is there even where nothing is evident."""
    return ",".join(f" {word}{mark}" for word, mark in marked) + END


def says(text: str, concept: str) -> bool:
    """Whether a text in lower case names a concept, one of it or several."""
    return re.search(rf"\b{re.escape(concept)}(?:s|es)?\b", text) is not None
