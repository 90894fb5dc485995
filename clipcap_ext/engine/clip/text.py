"""Texts to the ids of CLIP's text tower, open_clip's or those of an encoder folder, and the ids to
features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.towers.clip_model import ClipModel


@dataclass(frozen=True)
class ClipTokens:
    """Texts -> (B, context_length) ids, padded with 0; a text longer than the context is cut at its end.

    With a `bpe` a text is [start] + its ids in lower case + [end], where start is the first id after the
    vocabulary
    and end the second, the highest of all: open_clip pools a text at its highest id. So vocab_size is the
    BPE's + 2.
    """

    context_length: int
    bpe: BpeTokenizer | None = None

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Ids of `texts`."""
        if self.bpe is None:
            import open_clip

            return open_clip.tokenize(list(texts), context_length=self.context_length)
        ids = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text_ids in enumerate(self.encode(texts)):
            ids[row, : len(text_ids)] = torch.tensor(text_ids)
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text without padding, start and end included; for a vocabulary of our own."""
        assert self.bpe is not None
        start, end = self.bpe.vocab_size, self.bpe.vocab_size + 1
        spaced = [" ".join(text.lower().split()) for text in texts]
        return [[start, *ids[: self.context_length - 2], end] for ids in self.bpe.encode_batch(spaced)]


class _TextTower(nn.Module):
    """A CLIP whose forward is its `encode_text`, for functional_call."""

    def __init__(self, clip: ClipModel) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, tokens: Tensor) -> Tensor:
        return self.clip.encode_text(tokens)


def encode_tokens(clip: ClipModel, tokens: Tensor) -> Tensor:
    """Ids (B, T) of an open_clip model -> its text features (B, clip_dim), not normalised.

    Where no token sees what comes after it and a text is pooled at its end, as in OpenAI's text tower, the
    padding
    behind the longest text decides nothing: it is left out, and `tokens` may come without it (T below the
    context). A caption is a dozen tokens and the context 77, so this is most of the work. Other towers see
    every id. While it runs no other thread may use the text tower of `clip`.
    """
    mask = getattr(clip, "attn_mask", None)
    if mask is None or getattr(clip, "text_pool_type", "argmax") != "argmax":
        return clip.encode_text(tokens)
    length = int(tokens.argmax(dim=-1).max()) + 1
    narrow = {
        "clip.positional_embedding": clip.positional_embedding[:length],
        "clip.attn_mask": mask[:length, :length],
    }
    return functional_call(_TextTower(clip), narrow, (tokens[:, :length],))
