"""GPT-2 one token at a time with the copy gate's say in the logits; what was said is remembered row by
row."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from clipcap_ext.engine.clipcap.copying import Slot, openings, together
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.decoding.stepper import Stepper


class CopyStepper(Stepper):
    """A Stepper over a ClipCap with a copy gate; `slots` is each row's evidence."""

    def __init__(
        self, model: ClipCapModel, embeds: Tensor, mask: Tensor | None, slots: Sequence[Sequence[Slot]]
    ) -> None:
        assert model.copy_gate is not None
        self._gate, self._slots, self._embeddings = model.copy_gate, list(slots), model.copy_embeddings
        self._said: list[tuple[int, ...]] = [()] * len(slots)
        super().__init__(model.gpt2, embeds, mask)

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        super().select(rows)
        places = rows.tolist()
        self._slots = [self._slots[place] for place in places]
        self._said = [self._said[place] for place in places]

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the token after them."""
        self._said = [(*history, token) for history, token in zip(self._said, tokens.tolist(), strict=True)]
        return super().step(tokens)

    def _logits(self, hidden: Tensor) -> Tensor:
        rows = [openings(history, slots) for history, slots in zip(self._said, self._slots, strict=True)]
        opened = together(rows).to(hidden.device)
        return self._gate.raised(super()._logits(hidden), hidden, opened, self._embeddings)
