"""A language model one token at a time with words of evidence in mind: what each row has said is remembered,
and a copy gate has a say in the logits. No search."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from clipcap_ext.engine.clipcap.copying import Openings, Slot, openings, together
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.decoding.stepper import Reading, Stepper
from clipcap_ext.engine.language.language_model import LanguageModel


class SlotStepper(Stepper):
    """A Stepper that knows which words of evidence each row may begin or go on with; `slots` is each image's
    evidence."""

    def __init__(self, lm: LanguageModel, reading: Reading, slots: Sequence[Sequence[Slot]]) -> None:
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

    def _opened(self) -> Openings:
        rows = zip(self._said, self._slots, strict=True)
        return together([openings(history, slots) for history, slots in rows])


class CopyStepper(SlotStepper):
    """A SlotStepper over a ClipCap with a copy gate; `lm` is the model's GPT-2 or one that stands in for
    it."""

    def __init__(
        self, model: ClipCapModel, lm: LanguageModel, reading: Reading, slots: Sequence[Sequence[Slot]]
    ) -> None:
        assert model.copy_gate is not None
        self._gate, self._embeddings = model.copy_gate, model.copy_embeddings
        super().__init__(lm, reading, slots)

    def _raised(self, logits: Tensor, hidden: Tensor) -> Tensor:
        return self._gate.raised(logits, hidden, self._opened().to(hidden.device), self._embeddings)
