"""Beam search over a TokenStepper: many images at once, each with its own beams; not a sampler.

A search is done when the worst of its num_beams finished beams scores no less than its best living one.
With a diversity each candidate after the first is found by a search of its own, one beam wide, that says less
gladly what those before it say at the same place: diverse beam search (Vijayakumar et al. 2018) whose first
group is the plain search, so that the first candidate is the same with and without.
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

    image: int
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

    def advance(
        self, logprobs: Tensor, stop_ids: Tensor, unwanted: Tensor | None = None
    ) -> tuple[list[int], list[int]]:
        """Extend by one token: logprobs (beams, V), `unwanted` (V,) taken from them in the choice alone.
        Returns, for each living beam, its parent beam and its token."""
        totals = torch.tensor(self.sums, dtype=torch.float64)[:, None] + logprobs.double()  # (beams, V)
        wanted = totals.clone() if unwanted is None else totals - unwanted
        for _, parent, token in _top(wanted, self.width):
            if token in stop_ids:
                self.finish((*self.histories[parent], token), totals[parent, token].item())
        # A stop that is not among the best `width` is forgotten, and no place is lost to a stop: the search
        # goes on with as many living beams as before.
        wanted[:, stop_ids] = -torch.inf
        living = [(parent, token) for _, parent, token in _top(wanted, self.width)]
        self.histories = [(*self.histories[parent], token) for parent, token in living]
        self.sums = [totals[parent, token].item() for parent, token in living]
        return [parent for parent, _ in living], [token for _, token in living]


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
    first; with a diversity the plain search's best, then the others by their scores."""
    widths = [options.num_beams] + [1] * (options.num_candidates - 1 if options.diversity else 0)
    images = range(stepper.rows)
    searches = [[_Search(image, width, options.length_penalty) for width in widths] for image in images]
    going = [search for group in searches for search in group]
    first = torch.tensor([search.image for search in going])
    logits = stepper.first_logits.index_select(0, first)
    if len(widths) > 1:
        stepper.select(first)
    for step in range(steps):
        logprobs = logits.log_softmax(-1)
        unwanted = _Unwanted(options.diversity, stop_ids, logprobs.shape[1])
        rows: list[int] = []
        tokens: list[int] = []
        still: list[_Search] = []
        start = 0
        for search in going:
            width = len(search.histories)
            theirs = logprobs[start : start + width]
            parents, chosen = search.advance(theirs, stop_ids, unwanted.before(search))
            unwanted.add(search, chosen)
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
    wanted = options.num_candidates if len(widths) == 1 else 1
    return [_best(plain, wanted) + _others(others) for plain, *others in searches]


class _Unwanted:
    """What the searches of each image before one chose at this step, a penalty for each time; an end costs
    nothing."""

    def __init__(self, diversity: float, stop_ids: Tensor, vocabulary: int) -> None:
        self._diversity = diversity
        self._stop_ids = stop_ids
        self._vocabulary = vocabulary
        self._of: dict[int, Tensor] = {}

    def before(self, search: _Search) -> Tensor | None:
        """(V,) for the search, None where nothing is unwanted."""
        return self._of.get(search.image)

    def add(self, search: _Search, tokens: list[int]) -> None:
        """The search chose these tokens."""
        if not self._diversity:
            return
        none = torch.zeros(self._vocabulary, dtype=torch.float64)
        unwanted = self._of.setdefault(search.image, none)
        unwanted += self._diversity * torch.bincount(torch.tensor(tokens), minlength=self._vocabulary)
        unwanted[self._stop_ids] = 0


def _others(searches: list[_Search]) -> list[Decoded]:
    """The best of each search, by their scores."""
    found = [decoded for search in searches for decoded in _best(search, 1)]
    scores = {decoded: search.finished[0][0] for search, decoded in zip(searches, found, strict=True)}
    return sorted(found, key=scores.__getitem__, reverse=True)


def _best(search: _Search, count: int) -> list[Decoded]:
    for history, total in zip(search.histories, search.sums, strict=True):
        search.finish(
            history, total
        )  # out of steps: the living beams count as they are; none would if it is done
    return [decoded for _, decoded in search.finished[:count]]
