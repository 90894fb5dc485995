"""GPT-2 one token at a time over its key-value cache, whichever form transformers gives it; no search
strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from clipcap_ext.engine.language.gpt2 import Gpt2


@dataclass(frozen=True)
class Decoded:
    """Token ids of one candidate, the stop token included, and the sum of their log-probabilities (nats)."""

    ids: tuple[int, ...]
    sum_logprob: float


class TokenStepper(Protocol):
    """A language model at its next token, row by row; a search moves it on."""

    first_logits: Tensor  # (rows, V) float32 on the CPU

    @property
    def rows(self) -> int:
        """How many rows there are now."""
        ...

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the token after them."""
        ...


class Stepper:
    """Feeds GPT-2 one token a row and keeps its cache, whichever kind this version of transformers has."""

    def __init__(self, lm: Gpt2, inputs_embeds: Tensor, attention_mask: Tensor | None) -> None:
        self._lm = lm
        self._mask = attention_mask  # (rows, P + steps so far) or None where every row is full
        self._length = inputs_embeds.shape[1]
        self._past: Any = None
        self.rows = len(inputs_embeds)
        self.first_logits = self._forward(inputs_embeds=inputs_embeds)  # (B, V)

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        rows = rows.to(self._lm.device)
        self.rows = len(rows)
        if self._mask is not None:
            self._mask = self._mask.index_select(0, rows)
        if isinstance(self._past, tuple):  # transformers up to 4.46
            self._past = tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self._past)
        else:
            self._past.reorder_cache(rows)

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the token after them."""
        if self._mask is not None:
            self._mask = torch.cat((self._mask, self._mask.new_ones(len(tokens), 1)), dim=1)
        self._length += 1
        return self._forward(input_ids=tokens.to(self._lm.device).unsqueeze(1))

    def _forward(self, **inputs: Tensor) -> Tensor:
        new = next(iter(inputs.values())).shape[1]
        if self._mask is None:
            positions = torch.arange(self._length - new, self._length, device=self._lm.device).unsqueeze(0)
        else:
            positions = (self._mask.cumsum(1) - 1).clamp_min(0)[:, -new:]
        body = self._lm.transformer(
            **inputs,
            past_key_values=self._past,
            attention_mask=self._mask,
            position_ids=positions,
            use_cache=True,
        )
        self._past = body.past_key_values
        return self._logits(body.last_hidden_state[:, -1]).float().cpu()

    def _logits(self, hidden: Tensor) -> Tensor:
        """hidden (rows, n_embd) -> logits (rows, V)."""
        return self._lm.lm_head(hidden)
