"""Judges captions by the picture, with any encoder that reads text: a word counts for as much as the caption
is farther from the picture without it.

Leaving out one word at a time is the erasure of Li, Monroe and Jurafsky (2016, arXiv:1612.08220), with CLIP's
cosine in place of a classifier's likelihood. It tells of the words of meaning only, of each in its sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcap_ext.captioning import Encoder
from clipcap_ext.engine.clip.similarity import exact_cosines
from clipcap_ext.engine.judging.grammar import Token, read_tokens
from clipcap_ext.engine.judging.judgement import Judgement, WordEvidence
from clipcap_ext.engine.judging.mending import ENDS, without
from clipcap_ext.engine.judging.phrases import Part, parts_of
from clipcap_ext.errors import UsageError

TOGETHER = 128  # texts encoded in one batch
FLOOR = 0.02  # a cosine below it is nothing to take a share of


@dataclass(frozen=True)
class _Asked:
    """A word and the two texts whose cosines tell of it."""

    token: Token
    part: Part
    sentence: str
    less: str


def judge(encoder: Encoder, features: Tensor, texts: Sequence[str], words: bool = True) -> list[Judgement]:
    """Judge captions of one picture of features (1, clip_dim and perhaps concepts) of this encoder.

    words: False gives similarities alone. A text's cosine is that of what fits into CLIP's context; a word is
    judged within its sentence, and one whose sentence is empty without it is left out. UsageError where the
    encoder reads no text.
    """
    if not encoder.reads_text:
        raise UsageError("This model's encoder reads no text, so it cannot judge captions.")
    tokens = [read_tokens(text) for text in texts]
    asked = [_asked(text, read) if words else [] for text, read in zip(texts, tokens, strict=True)]
    needed = {text for group in asked for one in group for text in (one.sentence, one.less)}
    cosines = _cosines(encoder, features, sorted(needed | set(texts)))
    return [
        Judgement(text, cosines[text], tuple(_evidence(text, read, one, cosines) for one in group))
        for text, read, group in zip(texts, tokens, asked, strict=True)
    ]


def by_similarity(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The nearest to the picture first, ties as given."""
    return sorted(judgements, key=lambda one: -round(one.similarity, 6))


def _asked(text: str, tokens: Sequence[Token]) -> list[_Asked]:
    found = []
    for part in parts_of(tokens):
        token = tokens[part.place]
        start, end = _sentence(text, tokens, part.place)
        less = " ".join((text[start : token.start] + text[token.end : end]).split())
        if any(letter.isalnum() for letter in less):
            found.append(_Asked(token, part, text[start:end], less))
    return found


def _sentence(text: str, tokens: Sequence[Token], place: int) -> tuple[int, int]:
    """Where the sentence around a token begins and ends in the text."""
    marks = [at for at, token in enumerate(tokens) if token.text in ENDS]
    before = max((at for at in marks if at < place), default=-1)
    after = min((at for at in marks if at > place), default=len(tokens) - 1)
    return tokens[before + 1].start, tokens[after].end


def _cosines(encoder: Encoder, features: Tensor, texts: Sequence[str]) -> dict[str, float]:
    """Each text's cosine with the picture."""
    if not texts:
        return {}
    parts = [encoder.encode_text(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER)]
    read = torch.cat(parts)  # (texts, clip_dim)
    return dict(zip(texts, exact_cosines(features[:, : read.shape[1]], read)[0].tolist(), strict=True))


def _evidence(text: str, tokens: Sequence[Token], asked: _Asked, cosines: dict[str, float]) -> WordEvidence:
    whole = cosines[asked.sentence]
    gain = whole - cosines[asked.less]
    token = asked.token
    mended = without(text, tokens, asked.part.leaving)
    return WordEvidence(token.text, token.start, token.end, gain, gain / max(whole, FLOOR), mended)
