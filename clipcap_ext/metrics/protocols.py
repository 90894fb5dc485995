"""The protocols: how hypotheses and references become the space-separated tokens that metrics see; not a
metric."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.ptb import ptb_tokenize

Texts = Sequence[str]
# Words and the endings that the Penn Treebank parts from them: is n't, dog 's, t-shirt.
_WORD = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|(?:(?!n't\b)[^\W_])+(?:[-&](?:(?!n't\b)[^\W_])+)*")


@dataclass(frozen=True)
class Protocol:
    """A named way to prepare texts; `tokenizer` is its word in a signature. Which images are scored is
    not its business."""

    name: str
    tokenizer: str
    needs_java: bool
    prepare_hypotheses: Callable[[Texts], list[str]]
    prepare_references: Callable[[Texts], list[str]]


def cut_at_full_stop(text: str) -> str:
    """The paper's hypothesis: lower-cased text up to the first "." and then " ."."""
    return " ".join([*text.lower().split(".", 1)[0].split(), "."])


def raw_lower(text: str) -> str:
    """The paper's reference: lower-cased and otherwise raw, on one line."""
    return re.sub(r"[\r\n\t\v\f\x85\u2028\u2029]+", " ", text).strip().lower()


def plain_words(text: str) -> str:
    """Lower-cased words without punctuation: near to the PTB tokenizer on captions, and no Java."""
    return " ".join(match.group() for match in _WORD.finditer(text.lower().replace("’", "'")))


def _each(function: Callable[[str], str]) -> Callable[[Texts], list[str]]:
    return lambda texts: [function(text) for text in texts]


_ALL = (
    Protocol("standard", "ptb", True, ptb_tokenize, ptb_tokenize),
    Protocol("paper", "raw-lower-dot", False, _each(cut_at_full_stop), _each(raw_lower)),
    Protocol("words", "words", False, _each(plain_words), _each(plain_words)),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name; ScoringError names the known ones."""
    if name not in PROTOCOLS:
        raise ScoringError(f"Unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
