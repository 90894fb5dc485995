"""Quicker copies of a captioner's parts, made when they are first asked for; they share all that stays
float32.

Copies are for a CPU. On another device, or where no arithmetic is quicker, the parts themselves are used.
"""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

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
SHORTLIST = 32  # tokens whose logits are exact in a quick copy, too


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
        """In 8 bits or bfloat16; itself where it is too small, or no GPT-2."""
        found = quick_here()
        if found is None or not isinstance(self._lm, Gpt2Language):
            return self._lm
        copy = self._copy(self._lm.module, found)
        return self._lm if copy is self._lm.module else Gpt2Language(copy)

    @cached_property
    def draft(self) -> Draft | None:
        """What `fast` is; None where that is nothing quicker."""
        return Draft(self.fast) if self.changes else None

    def _copy(self, lm: Gpt2, found: Quick) -> Gpt2:
        if self._source is None:
            return quick_gpt2(lm, MadeAnew(found))
        with kept_maker(found, self._source, WORDS) as maker:
            return quick_gpt2(lm, maker)


class ShortlistHead(nn.Module):
    """Output weights made quick, the likeliest tokens' logits then reckoned exactly, for these choose the
    words."""

    weight: Tensor

    def __init__(self, quick: nn.Module, weight: Tensor) -> None:
        """weight (V, n_embd): the exact ones."""
        super().__init__()
        self.quick = quick
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., n_embd) -> logits (..., V)."""
        logits = self.quick(hidden)
        likeliest = logits.topk(min(SHORTLIST, logits.shape[-1]), dim=-1).indices
        exact = (functional.embedding(likeliest, self.weight) @ hidden.unsqueeze(-1)).squeeze(-1)
        return logits.scatter_(-1, likeliest, exact)


def quick_gpt2(lm: Gpt2, maker: Maker) -> Gpt2:
    """A copy whose wide layers are the maker's, and all else the same tensors; itself where none is wide."""
    same = shared(lm)
    if not replace_layers(same.transformer, partial(quick_layer, maker)):
        return lm
    head = quick_layer(maker, "lm_head", lm.lm_head)
    if head is not None:
        same.lm_head = ShortlistHead(head, lm.lm_head.weight)  # type: ignore[assignment]
    return same
