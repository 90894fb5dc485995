"""A language model one token at a time over its key-value cache, whichever form transformers gives it; no
search strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from clipcap_ext.engine.language.language_model import LanguageModel


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


@dataclass(frozen=True)
class Reading:
    """What a language model reads before its first step.

    embeds (rows, P, n_embd) and their mask (rows, P), None where every row is full; images, which image
    each row is of; said (rows, L), the tokens that stand behind the embeds already; ahead (rows, T), the
    tokens that are expected next, filled up with any: read at once, they cost little more than one.
    """

    embeds: Tensor
    mask: Tensor | None
    images: Sequence[int]
    said: Tensor | None = None
    ahead: Tensor | None = None


class Stepper:
    """Feeds a language model one token a row and keeps its cache, whichever kind transformers has here.

    Where tokens were read ahead, `step` takes these and no others, and as many as there are.
    """

    def __init__(self, lm: LanguageModel, reading: Reading) -> None:
        self._lm = lm
        read = [part for part in (reading.said, reading.ahead) if part is not None]
        ids = torch.cat(read, dim=1)[:, : -1 if reading.ahead is not None else None] if read else None
        embeds, self._mask = reading.embeds, reading.mask  # the mask: (rows, all so far)
        if ids is not None and ids.shape[1]:
            embeds = torch.cat((embeds, lm.embed(ids.to(lm.device))), dim=1)
            if self._mask is not None:
                self._mask = torch.cat((self._mask, self._mask.new_ones(ids.shape)), dim=1)
        self._length = embeds.shape[1]
        self._past: Any = None
        self._ahead: list[tuple[Tensor, Tensor]] = []  # hidden states and logits of the steps to come
        self.rows = len(embeds)
        steps = 1 if reading.ahead is None else reading.ahead.shape[1]
        self._ahead = self._read(reading.ahead is None, steps, inputs_embeds=embeds)
        self.first_logits = self._next()  # (rows, V)

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        rows = rows.to(self._lm.device)
        before, self.rows = self.rows, len(rows)
        self._ahead = [
            (hidden.index_select(0, rows), logits.index_select(0, rows)) for hidden, logits in self._ahead
        ]
        if self._mask is not None:
            self._mask = self._mask.index_select(0, rows)
        if isinstance(self._past, tuple):  # transformers up to 4.46
            self._past = tuple(tuple(_rows_of(part, before, rows) for part in layer) for layer in self._past)
        elif self._past is not None:
            self._past.reorder_cache(rows)

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the token after them."""
        if self._past is not None:
            if self._mask is not None:
                self._mask = torch.cat((self._mask, self._mask.new_ones(len(tokens), 1)), dim=1)
            self._length += 1
            self._ahead = self._read(True, 1, input_ids=tokens.to(self._lm.device).unsqueeze(1))
        return self._next()

    def _next(self) -> Tensor:
        hidden, logits = self._ahead.pop(0)
        return self._raised(logits, hidden).float().cpu()

    def _read(self, keep: bool, steps: int, **inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
        new = next(iter(inputs.values())).shape[1]
        if self._mask is None:
            positions = torch.arange(self._length - new, self._length, device=self._lm.device).unsqueeze(0)
        else:
            positions = (self._mask.cumsum(1) - 1).clamp_min(0)[:, -new:]
        said = self._lm.read(self._past, self._mask, positions, steps, keep, **inputs)
        self._past = said.past
        return list(zip(said.hidden.unbind(1), said.logits.unbind(1), strict=True))

    def _raised(self, logits: Tensor, hidden: Tensor) -> Tensor:
        """logits (rows, V) of hidden (rows, n_embd), as they are or with what else has a say in them."""
        return logits


def _rows_of(part: Tensor, count: int, rows: Tensor) -> Tensor:
    """Rows of a cache of `count` rows; old Blooms keep rows and heads in one dimension."""
    return part.unflatten(0, (count, -1)).index_select(0, rows).flatten(0, 1)
