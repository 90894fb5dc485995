"""Quicker copies of a captioner's parts, made when they are first asked for; they share all that stays
float32.

Copies are for a CPU. On another device, or where no arithmetic is quicker, the parts themselves are used.
"""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.drafting import Draft
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.engine.precision import quick
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.engine.precision.kept import kept_maker
from clipcap_ext.engine.precision.kept_files import WORDS
from clipcap_ext.engine.precision.processor import quick_in_int8
from clipcap_ext.engine.precision.quick import (
    IN_INT8,
    MadeAnew,
    Maker,
    Quick,
    quick_here,
    quick_layer,
    replace_layers,
    shared,
)

DRAFTED_AFTER = 8  # batches: only then is it likely that a draft saves what making it takes
DRAFTED_ROWS = 8  # captions together above which drafting saves nothing


def asks_for_quick(options: DecodingOptions, device_type: str) -> bool:
    """Whether captions asked for so are reckoned more quickly than float32 wherever that saves time."""
    return options.precision == "fast" and device_type == "cpu" and quick_here() is not None


class LanguageCopies:
    """A language model and what stands in for it, or drafts for it, as options ask; GPT-2 alone has any."""

    def __init__(self, lm: LanguageModel, source: Path | None = None) -> None:
        """source: the file its weights were read from, where they are as they were there."""
        self._lm = lm
        self._source = source
        self._batches = 0

    def pair(self, options: DecodingOptions, images: int) -> tuple[LanguageModel, Draft | None]:
        """(what decodes, what drafts for it or None) for captions of so many images.

        The draft is made after DRAFTED_AFTER batches: it takes longer to make than it saves in a few. Where
        it foresaw too little it is no longer asked.
        """
        if asks_for_quick(options, self._lm.device.type):
            return self.fast, None
        self._batches += 1
        draft = self.draft if self._pays(options, images * options.num_candidates) else None
        return self._lm, draft if draft is not None and draft.helps else None

    def _pays(self, options: DecodingOptions, rows: int) -> bool:
        many = self._batches > DRAFTED_AFTER and rows <= DRAFTED_ROWS and options.num_beams == 1
        large = (
            isinstance(self._lm, Gpt2Language)
            and self._lm.n_embd >= quick.NARROWEST
            and self._lm.device.type == "cpu"
        )
        return many and large and can_int8() and quick_in_int8()

    @property
    def changes(self) -> bool:
        """Whether anything of it is reckoned more quickly where that is asked for."""
        return self.fast is not self._lm

    @cached_property
    def fast(self) -> LanguageModel:
        """In 8 bits or bfloat16, its output weights left as they are, for they choose the words; itself where
        it is too small, or no GPT-2."""
        found = quick_here()
        if found is None or not isinstance(self._lm, Gpt2Language):
            return self._lm
        copy = self._copy(self._lm.module, found)
        return self._lm if copy is self._lm.module else Gpt2Language(copy)

    @cached_property
    def draft(self) -> Draft | None:
        """All in 8 bits; None for what is no GPT-2."""
        if not isinstance(self._lm, Gpt2Language):
            return None
        draft = self._copy(self._lm.module, IN_INT8)
        head = MadeAnew(IN_INT8).linear("lm_head", self._lm.module.lm_head.weight, None)
        draft.lm_head = head  # type: ignore[assignment]
        return Draft(Gpt2Language(draft))

    def _copy(self, lm: Gpt2, found: Quick) -> Gpt2:
        if self._source is None:
            return quick_gpt2(lm, MadeAnew(found))
        with kept_maker(found, self._source, WORDS) as maker:
            return quick_gpt2(lm, maker)


def quick_gpt2(lm: Gpt2, maker: Maker) -> Gpt2:
    """A copy whose wide layers are the maker's, and all else the same tensors; itself where none is wide."""
    same = shared(lm)
    return same if replace_layers(same.transformer, partial(quick_layer, maker)) else lm
