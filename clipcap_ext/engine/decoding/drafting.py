"""Exact drafting: a quicker model writes captions ahead, the exact one reads each in one pass; no beams.

The exact model's own choice stands at every token. Up to the first that the draft did not foresee, its logits
are those it would have given one by one; from there on the rest is drafted anew. So the captions are those of
the exact model alone, whatever the draft says, and a good draft only makes them come sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.restrictions import History, RestrictedStepper, restrictions_of
from clipcap_ext.engine.decoding.rows import decode_rows
from clipcap_ext.engine.decoding.stepper import Decoded, Reading, TokenStepper
from clipcap_ext.engine.language.language_model import LanguageModel

Open = Callable[[Reading], TokenStepper]
TRIED = 16  # captions after which a draft must have been worth it
WORTH = 1.3  # readings of a caption by the exact model up to which a draft saves time


@dataclass
class Draft:
    """A quicker language model of the same vocabulary, and how well it foresaw the exact one so far."""

    lm: LanguageModel
    captions: int = 0
    readings: int = 0  # of a caption by the exact model: one each where all of it was foreseen

    @property
    def helps(self) -> bool:
        """Whether it saves time, as far as is known."""
        return self.captions < TRIED or self.readings <= WORTH * self.captions

    def note(self, drafting: Drafting) -> None:
        """Count what it took to say some captions with it."""
        self.captions += len(drafting.embeds) * drafting.options.num_candidates
        self.readings += sum(drafting.rounds)


@dataclass
class _Row:
    """One caption on its way: what the exact model has said for certain."""

    image: int
    draws: Tensor | None
    ids: History = ()
    total: float = 0.0

    def add(self, checked: Decoded) -> None:
        self.ids += checked.ids
        self.total += checked.sum_logprob


@dataclass
class Drafting:
    """Two models at the same captions: `exact` and `draft` open a stepper over what they read."""

    exact: Open
    draft: Open
    embeds: Tensor
    mask: Tensor | None
    stop_ids: Tensor
    options: DecodingOptions
    steps: int
    rounds: list[int] = field(default_factory=list)  # rows read in each of the exact model's passes

    @torch.inference_mode()
    def decode(self, draws: Tensor | None) -> list[Decoded]:
        """Every candidate of every image, in order; draws: (images * candidates, steps)."""
        count = self.options.num_candidates
        rows = [
            _Row(place // count, None if draws is None else draws[place])
            for place in range(len(self.embeds) * count)
        ]
        going = rows
        while going:
            shortest = min(len(row.ids) for row in going)  # rows that have said equally much go together
            together = [row for row in going if len(row.ids) == shortest]
            self._go_on(together)
            going = [row for row in going if not self._ended(row)]
        return [Decoded(row.ids, row.total) for row in rows]

    def _go_on(self, rows: Sequence[_Row]) -> None:
        """Draft the rest of each row and take of it what the exact model says, too, and its next word."""
        images, length = [row.image for row in rows], len(rows[0].ids)
        left = self.steps - length
        said = torch.tensor([row.ids for row in rows], dtype=torch.long).view(len(rows), length)
        draws = None
        if rows[0].draws is not None:
            draws = torch.stack([row.draws[length:] for row in rows if row.draws is not None])
        drafted = self._decoded(self.draft, self._reading(images, said), rows, left, draws)
        most = max(len(one.ids) for one in drafted)
        drafts = torch.tensor([[*one.ids, *[0] * (most - len(one.ids))] for one in drafted], dtype=torch.long)
        self.rounds.append(len(rows))
        reading = self._reading(images, said, drafts)
        for row, checked in zip(
            rows, self._decoded(self.exact, reading, rows, most, draws, drafts), strict=True
        ):
            row.add(checked)

    def _reading(self, images: list[int], said: Tensor, ahead: Tensor | None = None) -> Reading:
        places = torch.tensor(images, device=self.embeds.device)
        mask = None if self.mask is None else self.mask.index_select(0, places)
        return Reading(self.embeds.index_select(0, places), mask, images, said, ahead)

    def _decoded(
        self, opened: Open, reading: Reading, rows: Sequence[_Row], steps: int, draws: Tensor | None,
        drafts: Tensor | None = None,
    ) -> list[Decoded]:  # fmt: skip
        rules = restrictions_of(self.options, self.stop_ids)
        stepper = RestrictedStepper(opened(reading), rules, [row.ids for row in rows])
        logits = stepper.first_logits
        return decode_rows(stepper, logits, self.stop_ids, self.options, steps, draws, drafts)

    def _ended(self, row: _Row) -> bool:
        return len(row.ids) >= self.steps or row.ids[-1] in self.stop_ids.tolist()
