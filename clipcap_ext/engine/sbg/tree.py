"""What the keyword selection looked at and why, as data to show: questions, ranked answers, branches; no
drawing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from clipcap_ext.caption import Keyword


@dataclass(frozen=True)
class Answer:
    """One answer to a question: its cosine with the image, its share of the softmax, whether it was taken."""

    text: str
    similarity: float
    probability: float
    taken: bool


@dataclass(frozen=True)
class Branch:
    """One facet's questions. `reason` says why it opened or did not.

    `groups` are the best answers to the first question, put as `question`; `labels` the best inside the group
    taken. `keywords` are what the branch gave to the prompt.
    """

    facet: str
    opened: bool
    reason: str
    question: str = ""
    groups: tuple[Answer, ...] = ()
    labels: tuple[Answer, ...] = ()
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeywordTree:
    """All that led to one image's keywords: the subject sentence, the branches, the bank's words, the final
    order."""

    subjects: tuple[Answer, ...]
    branches: tuple[Branch, ...]
    words: tuple[Answer, ...]
    keywords: tuple[Keyword, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
