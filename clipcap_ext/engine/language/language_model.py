"""What captioning needs of a causal language model: embeds in, the next token's logits out; not how it is
searched, and no model of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Heard:
    """What a language model makes of tokens: logits (..., V) as it computes them, hidden (..., n_embd) that
    they were made of (of width 0 where the model keeps it to itself), its cache where one was asked for."""

    logits: Tensor
    hidden: Tensor
    past: Any = None


class LanguageModel(Protocol):
    """A causal language model as decoding, training and the mapper see it."""

    @property
    def module(self) -> nn.Module:
        """The model of the library, which holds the weights."""
        ...

    @property
    def n_embd(self) -> int:
        """The width of its embeds."""
        ...

    @property
    def n_positions(self) -> int:
        """How many tokens it reads and writes at most."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    @property
    def embeddings(self) -> Tensor:
        """The token embeddings (V, n_embd)."""
        ...

    def embed(self, input_ids: Tensor) -> Tensor:
        """input_ids (..., ) -> embeds (..., n_embd)."""
        ...

    def read(
        self, past: Any, mask: Tensor | None, positions: Tensor, steps: int, keep: bool, **inputs: Tensor
    ) -> Heard:
        """Read on behind the cache `past` (None: from the start), for decoding.

        mask (rows, all tokens so far) or None where every row is full; positions (rows or 1, new); inputs:
        input_ids (rows, new) or inputs_embeds (rows, new, n_embd). Returns what follows the last `steps` of
        them, logits (rows, steps, V), and the cache if it is to be kept.
        """
        ...

    def label_logits(self, embeds: Tensor, labelled: Tensor) -> Heard:
        """embeds (B, S, n_embd), labelled (B, T), T <= S -> float32 logits (labels, V), for training.

        The last T embeds predict the T tokens of which some are labelled; shorter rows are padded on the
        right.
        """
        ...
