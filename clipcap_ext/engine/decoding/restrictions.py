"""What a caption may not say, or says less gladly: rules that change the logits before a token is chosen. No
search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.stepper import TokenStepper

History = tuple[int, ...]  # a row's own tokens so far; a prompt or a picture before them is not among them


class Restriction(Protocol):
    """One rule, alike for greedy decoding, beams and sampling."""

    def apply(self, logits: Tensor, histories: Sequence[History], step: int) -> None:
        """Change logits (rows, V) in place; histories holds the `step` tokens of each row."""
        ...


def restrictions_of(options: DecodingOptions, stop_ids: Tensor) -> list[Restriction]:
    """The rules that `options` ask for, in the order they are applied; stop_ids (n,) end a caption."""
    restrictions: list[Restriction] = [NotTooShort(stop_ids, options.min_new_tokens)]
    if options.repetition_penalty != 1:
        restrictions.append(RepetitionPenalty(options.repetition_penalty))
    if options.no_repeat_ngram_size > 0:
        restrictions.append(NoRepeatedNgram(options.no_repeat_ngram_size))
    return restrictions


@dataclass(frozen=True)
class NotTooShort:
    """A caption has at least `fewest` tokens before one that ends it; it is never empty."""

    stop_ids: Tensor  # (n,)
    fewest: int

    def apply(self, logits: Tensor, histories: Sequence[History], step: int) -> None:
        """Forbid the stops until then."""
        if step < self.fewest:
            logits[:, self.stop_ids] = -torch.inf


@dataclass(frozen=True)
class NoRepeatedNgram:
    """No row says the same `size` tokens in a row twice."""

    size: int

    def apply(self, logits: Tensor, histories: Sequence[History], step: int) -> None:
        """Forbid each token that would complete an n-gram its row already holds."""
        start = step - self.size + 1
        if start < 1:
            return
        for row, history in enumerate(histories):
            tail = history[start:]
            grams = [history[i : i + self.size] for i in range(start)]
            logits[row, [gram[-1] for gram in grams if gram[:-1] == tail]] = -torch.inf


@dataclass(frozen=True)
class RepetitionPenalty:
    """What a row has said already becomes less likely, as transformers (and CTRL before it) define it."""

    penalty: float

    def apply(self, logits: Tensor, histories: Sequence[History], step: int) -> None:
        """Divide the logits of a row's own tokens by the penalty, or multiply those below 0, each once."""
        tokens = torch.tensor(histories, dtype=torch.long)  # (rows, step)
        scores = logits.gather(1, tokens)
        logits.scatter_(1, tokens, torch.where(scores < 0, scores * self.penalty, scores / self.penalty))


class RestrictedStepper:
    """A TokenStepper (see stepper.py) whose logits have been through every restriction: the only place that
    applies them, so that no search knows of any."""

    def __init__(
        self, stepper: TokenStepper, restrictions: Sequence[Restriction], said: Sequence[History] = ()
    ) -> None:
        """said: what each row has said before its first step, all equally much; nothing where left out."""
        self._stepper = stepper
        self._restrictions = restrictions
        self._histories: list[History] = list(said) or [()] * stepper.rows
        self._step = len(self._histories[0]) if self._histories else 0
        self.first_logits = self._restricted(stepper.first_logits)  # (rows, V)

    @property
    def rows(self) -> int:
        """How many rows there are now."""
        return self._stepper.rows

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        self._stepper.select(rows)
        self._histories = [self._histories[row] for row in rows.tolist()]

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the token after them."""
        pairs = zip(self._histories, tokens.tolist(), strict=True)
        self._histories = [(*history, token) for history, token in pairs]
        self._step += 1
        return self._restricted(self._stepper.step(tokens))

    def _restricted(self, logits: Tensor) -> Tensor:
        for restriction in self._restrictions:
            restriction.apply(logits, self._histories, self._step)
        return logits
