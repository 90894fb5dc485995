"""Beam search over a TokenStepper: many images at once, each with its own beams; not a sampler.

A search is done when the worst of its num_beams finished beams scores no less than its best living one.
With a diversity each candidate after the first is found by a search of its own, one beam wide, that says less
gladly what those before it say at the same place: diverse beam search (Vijayakumar et al. 2018) whose first
group is the plain search, so that the first candidate is the same with and without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.likeliest import highest
from clipcap_ext.engine.decoding.stepper import Decoded, TokenStepper


class _Choice(NamedTuple):
    """A token that a beam may go on with, and the sum of its log-probabilities then."""

    parent: int
    token: int
    total: float


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

    def advance(self, likeliest: Sequence[_Choice], living: Sequence[_Choice], stops: frozenset[int]) -> None:
        """Extend by one token: the best choices, of which those that stop are finished, and the best that do
        not stop.

        A stop that is not among the best `width` is forgotten, and no place is lost to a stop: the search
        goes on with as many living beams as before.
        """
        for parent, token, total in likeliest:
            if token in stops:
                self.finish((*self.histories[parent], token), total)
        self.histories = [(*self.histories[choice.parent], choice.token) for choice in living]
        self.sums = [choice.total for choice in living]


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
        starts = list(accumulate((len(search.histories) for search in going[:-1]), initial=0))
        moves = _advance(going, starts, logits.log_softmax(-1), stop_ids, options.diversity)
        alive = [
            (search, start, living)
            for search, start, living in zip(going, starts, moves, strict=True)
            if living and not search.is_done()
        ]
        going = [search for search, _, _ in alive]
        if not going or step + 1 == steps:
            break
        stepper.select(torch.tensor([start + one.parent for _, start, living in alive for one in living]))
        logits = stepper.step(torch.tensor([one.token for _, _, living in alive for one in living]))
    wanted = options.num_candidates if len(widths) == 1 else 1
    return [_best(plain, wanted) + _others(others) for plain, *others in searches]


def _advance(
    going: Sequence[_Search], starts: Sequence[int], logprobs: Tensor, stop_ids: Tensor, diversity: float
) -> list[list[_Choice]]:
    """Extend every search by one token: logprobs (beams of all, V), each search's from its start on. Returns
    each one's living beams."""
    unwanted = _Unwanted(diversity, stop_ids, logprobs.shape[1])
    stops = frozenset(stop_ids.tolist())
    moves: list[list[_Choice]] = [[] for _ in going]
    for places in _together(going):
        some, first = [going[place] for place in places], torch.tensor([starts[place] for place in places])
        rows = first[:, None] + torch.arange(len(some[0].histories))
        choices = _choices(some, logprobs[rows], stop_ids, [unwanted.before(search) for search in some])
        for place, (likeliest, living) in zip(places, choices, strict=True):
            going[place].advance(likeliest, living, stops)
            unwanted.add(going[place], [choice.token for choice in living])
            moves[place] = living
    return moves


def _together(searches: Sequence[_Search]) -> list[list[int]]:
    """Which searches are asked together: as many beams, and of an image one, after those before it."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    before: Counter[int] = Counter()
    for place, search in enumerate(searches):
        groups.setdefault((before[search.image], search.width, len(search.histories)), []).append(place)
        before[search.image] += 1
    return [groups[key] for key in sorted(groups)]


def _choices(
    searches: Sequence[_Search], logprobs: Tensor, stop_ids: Tensor, unwanted: Sequence[Tensor | None]
) -> list[tuple[list[_Choice], list[_Choice]]]:
    """Each search's best choices, and the best that do not stop: logprobs (searches, beams, V), which are
    changed; `unwanted` (V,) is taken from a search's in the choice alone."""
    count = searches[0].width
    sums = torch.tensor([search.sums for search in searches], dtype=torch.float64)
    less = None
    if any(one is not None for one in unwanted):
        none = torch.zeros(logprobs.shape[2], dtype=torch.float64)
        less = torch.stack([none if one is None else one for one in unwanted])
    likeliest = _best_of(sums, logprobs, less, count)
    logprobs[:, :, stop_ids] = -torch.inf
    return list(zip(likeliest, _best_of(sums, logprobs, less, count), strict=True))


def _best_of(sums: Tensor, logprobs: Tensor, less: Tensor | None, count: int) -> list[list[_Choice]]:
    """The `count` best finite choices of each search: sums (n, beams) before logprobs (n, beams, V), less (n,
    V); of equals the earlier beam, the lower id."""
    searches, beams = logprobs.shape[:2]
    wanted = logprobs if less is None else logprobs.double() - less[:, None]
    _, ids = highest(wanted.flatten(0, 1), count)  # no beam has more of the best than this
    ids = ids.view(searches, beams, -1)
    totals = sums[:, :, None] + logprobs.gather(2, ids).double()
    taken = totals if less is None else totals - less[:, None].expand(-1, beams, -1).gather(2, ids)
    order = taken.flatten(1).argsort(dim=1, descending=True, stable=True)[:, :count]
    found = [part.flatten(1).gather(1, order).tolist() for part in (ids, totals)]
    parents = (order // ids.shape[2]).tolist()
    return [
        [_Choice(*choice) for choice in zip(*theirs, strict=True) if choice[2] > float("-inf")]
        for theirs in zip(parents, *found, strict=True)
    ]


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
