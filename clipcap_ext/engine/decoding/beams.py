"""Beam search over a TokenStepper: many images at once, each with its own beams; not a sampler.

An image is done when the worst of its num_beams finished beams scores no less than its best living one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.likeliest import highest
from clipcap_ext.engine.decoding.stepper import Decoded, TokenStepper


@dataclass
class _Search:
    """One image's beams: histories with their summed log-probabilities, and what has reached a stop."""

    width: int
    penalty: float
    histories: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    sums: list[float] = field(default_factory=lambda: [0.0])
    finished: list[tuple[float, Decoded]] = field(default_factory=list)

    def score(self, total: float, length: int) -> float:
        return total / length**self.penalty

    def finish(self, history: tuple[int, ...], total: float) -> None:
        self.finished.append((self.score(total, len(history)), Decoded(history, total)))
        self.finished.sort(key=lambda pair: pair[0], reverse=True)
        del self.finished[self.width :]

    def is_done(self) -> bool:
        """Whether no living beam, were it to end now, would displace the worst of the finished ones.

        Sums only fall, so with a length_penalty of 0 or below this is exact. Above 0 a beam may still rise as
        it grows, for its negative sum is divided by more; as in transformers' default, that is not waited
        for.
        """
        if len(self.finished) < self.width:
            return False
        return self.finished[-1][0] >= self.score(max(self.sums), len(self.histories[0]))

    def advance(self, logprobs: Tensor, stop_ids: Tensor) -> tuple[list[int], list[int]]:
        """Extend by one token: logprobs (beams, V). Returns, for each living beam, its parent beam and its
        token."""
        totals = torch.tensor(self.sums, dtype=torch.float64)[:, None] + logprobs.double()  # (beams, V)
        for total, parent, token in _top(totals, self.width):
            if token in stop_ids:
                self.finish((*self.histories[parent], token), total)
        # A stop that is not among the best `width` is forgotten, and no place is lost to a stop: the search
        # goes on with as many living beams as before.
        totals[:, stop_ids] = -torch.inf
        living = _top(totals, self.width)
        self.histories = [(*self.histories[parent], token) for _, parent, token in living]
        self.sums = [total for total, _, _ in living]
        return [parent for _, parent, _ in living], [token for _, _, token in living]


def _top(totals: Tensor, count: int) -> list[tuple[float, int, int]]:
    """The `count` best finite (total, beam, token) of totals (beams, V); of equals the earlier beam, the
    lower id."""
    values, places = highest(totals.view(1, -1), count)
    pairs = zip(values[0].tolist(), places[0].tolist(), strict=True)
    return [(total, *divmod(place, totals.shape[1])) for total, place in pairs if total > float("-inf")]


def beam_search(
    stepper: TokenStepper, stop_ids: Tensor, options: DecodingOptions, steps: int
) -> list[list[Decoded]]:
    """Search from the stepper's rows (one an image). Returns num_candidates Decoded an image, best score
    first."""
    searches = [_Search(options.num_beams, options.length_penalty) for _ in range(stepper.rows)]
    going = list(searches)
    logits = stepper.first_logits
    for step in range(steps):
        logprobs = logits.log_softmax(-1)
        rows: list[int] = []
        tokens: list[int] = []
        still: list[_Search] = []
        start = 0
        for search in going:
            width = len(search.histories)
            parents, chosen = search.advance(logprobs[start : start + width], stop_ids)
            if chosen and not search.is_done():
                still.append(search)
                rows += [start + parent for parent in parents]
                tokens += chosen
            start += width
        going = still
        if not going or step + 1 == steps:
            break
        stepper.select(torch.tensor(rows))
        logits = stepper.step(torch.tensor(tokens))
    return [_best(search, options.num_candidates) for search in searches]


def _best(search: _Search, count: int) -> list[Decoded]:
    for history, total in zip(search.histories, search.sums, strict=True):
        search.finish(
            history, total
        )  # out of steps: the living beams count as they are; none would if it is done
    return [decoded for _, decoded in search.finished[:count]]
