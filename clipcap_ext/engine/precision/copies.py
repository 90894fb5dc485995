"""8-bit copies of a captioner's parts, made when they are first asked for; they share all that stays float32.

Copies are for a CPU. On another device, or where torch has no such arithmetic, the parts themselves are used.
"""

from __future__ import annotations

import copy
from functools import cached_property

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.precision.int8 import Int8Linear, can_int8, int8_layer, replace_layers

DRAFTED_WIDTH = 512  # n_embd from which on an 8-bit GPT-2 is quick enough to draft for the exact one
DRAFTED_ROWS = 8  # captions together above which drafting saves nothing


def uses_int8(options: DecodingOptions, device_type: str) -> bool:
    """Whether captions asked for so are reckoned in 8 bits."""
    return options.precision == "fast" and device_type == "cpu" and can_int8()


class LanguageCopies:
    """A GPT-2 and what stands in for it, or drafts for it, as options ask."""

    def __init__(self, lm: Gpt2) -> None:
        self._lm = lm
        self._batches = 0

    def pair(self, options: DecodingOptions, images: int) -> tuple[Gpt2, Gpt2 | None]:
        """(what decodes, what drafts for it or None) for captions of so many images.

        The draft is made for the second batch: it takes longer to make than it saves in one.
        """
        if uses_int8(options, self._lm.device.type):
            return self.fast, None
        self._batches += 1
        return self._lm, self.draft if self._pays(options, images * options.num_candidates) else None

    def _pays(self, options: DecodingOptions, rows: int) -> bool:
        many = self._batches > 1 and rows <= DRAFTED_ROWS and options.num_beams == 1
        large = self._lm.config.n_embd >= DRAFTED_WIDTH and self._lm.device.type == "cpu"
        return many and large and can_int8()

    @cached_property
    def fast(self) -> Gpt2:
        """In 8 bits, its output weights left as they are: they choose the words."""
        return in_int8(self._lm)

    @cached_property
    def draft(self) -> Gpt2:
        """All in 8 bits."""
        draft = in_int8(self._lm)
        draft.lm_head = Int8Linear(self._lm.lm_head.weight, None)  # type: ignore[assignment]
        return draft


def in_int8(lm: Gpt2) -> Gpt2:
    """A copy whose linear layers are in 8 bits; embeddings and output weights are the same tensors."""
    same = shared(lm)
    replace_layers(same.transformer, int8_layer)
    return same


def shared(module: Gpt2) -> Gpt2:
    """A copy of the structure around the same tensors."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors}).eval()
