"""8-bit copies of a captioner's parts, made when they are first asked for; they share all that stays float32.

Copies are for a CPU. On another device, or where torch has no such arithmetic, the parts themselves are used.
"""

from __future__ import annotations

from functools import cached_property

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.drafting import Draft
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.engine.precision import int8
from clipcap_ext.engine.precision.int8 import Int8Linear, can_int8, int8_layer, replace_layers, shared

DRAFTED_AFTER = 8  # batches: only then is it likely that a draft saves what making it takes
DRAFTED_ROWS = 8  # captions together above which drafting saves nothing


def asks_for_int8(options: DecodingOptions, device_type: str) -> bool:
    """Whether captions asked for so are reckoned in 8 bits wherever that saves time."""
    return options.precision == "fast" and device_type == "cpu" and can_int8()


class LanguageCopies:
    """A language model and what stands in for it, or drafts for it, as options ask; GPT-2 alone has any."""

    def __init__(self, lm: LanguageModel) -> None:
        self._lm = lm
        self._batches = 0

    def pair(self, options: DecodingOptions, images: int) -> tuple[LanguageModel, Draft | None]:
        """(what decodes, what drafts for it or None) for captions of so many images.

        The draft is made after DRAFTED_AFTER batches: it takes longer to make than it saves in a few. Where
        it foresaw too little it is no longer asked.
        """
        if asks_for_int8(options, self._lm.device.type):
            return self.fast, None
        self._batches += 1
        draft = self.draft if self._pays(options, images * options.num_candidates) else None
        return self._lm, draft if draft is not None and draft.helps else None

    def _pays(self, options: DecodingOptions, rows: int) -> bool:
        many = self._batches > DRAFTED_AFTER and rows <= DRAFTED_ROWS and options.num_beams == 1
        large = (
            isinstance(self._lm, Gpt2Language)
            and self._lm.n_embd >= int8.NARROWEST
            and self._lm.device.type == "cpu"
        )
        return many and large and can_int8()

    @property
    def changes(self) -> bool:
        """Whether anything of it is in 8 bits where that is asked for."""
        return self.fast is not self._lm

    @cached_property
    def fast(self) -> LanguageModel:
        """In 8 bits, its output weights left as they are, for they choose the words; itself where it is too
        small, or no GPT-2."""
        if not isinstance(self._lm, Gpt2Language):
            return self._lm
        quick = in_int8(self._lm.module)
        return self._lm if quick is self._lm.module else Gpt2Language(quick)

    @cached_property
    def draft(self) -> Draft | None:
        """All in 8 bits; None for what is no GPT-2."""
        if not isinstance(self._lm, Gpt2Language):
            return None
        draft = in_int8(self._lm.module)
        draft.lm_head = Int8Linear(self._lm.module.lm_head.weight, None)  # type: ignore[assignment]
        return Draft(Gpt2Language(draft))


def in_int8(lm: Gpt2) -> Gpt2:
    """A copy whose wide layers are in 8 bits, and all else the same tensors; itself where none is wide."""
    same = shared(lm)
    return same if replace_layers(same.transformer, int8_layer) else lm
