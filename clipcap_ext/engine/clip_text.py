"""Texts to the ids of CLIP's text tower: open_clip's vocabulary, or a small one that an encoder folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcap_ext.engine.tokenizer import BpeTokenizer


@dataclass(frozen=True)
class ClipTokens:
    """Texts -> (B, context_length) ids, padded with 0; a text longer than the context is cut at its end.

    With a `bpe` a text is [start] + its ids in lower case + [end], where start is the first id after the vocabulary
    and end the second, the highest of all: open_clip pools a text at its highest id. So vocab_size is the BPE's + 2.
    """

    context_length: int
    bpe: BpeTokenizer | None = None

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Ids of `texts`."""
        if self.bpe is None:
            import open_clip

            return open_clip.tokenize(list(texts), context_length=self.context_length)
        ids = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, found in enumerate(self.encode(texts)):
            ids[row, : len(found)] = torch.tensor(found)
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text without padding, start and end included; for a vocabulary of our own."""
        assert self.bpe is not None
        start, end = self.bpe.vocab_size, self.bpe.vocab_size + 1
        spaced = [" ".join(text.lower().split()) for text in texts]
        return [[start, *ids[: self.context_length - 2], end] for ids in self.bpe.encode_batch(spaced)]
