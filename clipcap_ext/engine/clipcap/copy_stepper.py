"""GPT-2 one token at a time with the copy gate's say in the logits; what was said is remembered row by
row."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from clipcap_ext.engine.clipcap.copying import Slot, openings, together
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.decoding.stepper import Reading, Stepper
from clipcap_ext.engine.language.language_model import LanguageModel


class CopyStepper(Stepper):
    """A Stepper over a ClipCap with a copy gate; `slots` is each image's evidence, `lm` the model's
    GPT-2 or one that stands in for it."""

    def __init__(
        self, model: ClipCapModel, lm: LanguageModel, reading: Reading, slots: Sequence[Sequence[Slot]]
    ) -> None:
        assert model.copy_gate is not None
        self._gate, self._embeddings = model.copy_gate, model.copy_embeddings
        self._slots = [slots[image] for image in reading.images]
        said = [()] * len(self._slots) if reading.said is None else map(tuple, reading.said.tolist())
        self._said: list[tuple[int, ...]] = list(said)
        super().__init__(lm, reading)

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

    def _raised(self, logits: Tensor, hidden: Tensor) -> Tensor:
        rows = [openings(history, slots) for history, slots in zip(self._said, self._slots, strict=True)]
        return self._gate.raised(logits, hidden, together(rows).to(hidden.device), self._embeddings)
