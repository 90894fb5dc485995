"""The SBG captioner: images to keywords, keywords to a guess, the guesses ranked by the image. Not its
training.

GPT-2 never sees the image: it reads `kw1, kw2, ... ###`, and CLIP picks among what it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, Caption, DecodingOptions, Keyword
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.captioner import (
    FeatureCaptioner,
    consensus_credits,
    keep_distinct,
    rank_by_both,
    rank_by_similarity,
)
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.similarity import exact_cosines
from clipcap_ext.engine.concepts.evidence import says
from clipcap_ext.engine.consensus import sampling_beside
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.decoding.stepper import Stepper
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.precision.copies import LanguageCopies
from clipcap_ext.engine.sbg.evident_words import EvidentWords
from clipcap_ext.engine.sbg.prompt import cut_at_separator, format_prompt
from clipcap_ext.engine.sbg.selector import CONCEPT, KeywordSelector
from clipcap_ext.engine.sbg.tree import KeywordTree
from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    from clipcap_ext.engine.sbg.edit import KeywordEdit

BY_HAND = "by hand"  # facet of a keyword that a person wrote
CREDIT = 2.0  # nats that a score gets for each thing said that the classifier saw


class SbgCaptioner(FeatureCaptioner[Gpt2, BpeTokenizer]):
    """A Captioner (see captioning.py) over a GPT-2 that guesses from keywords; they can be edited, see
    `guess`."""

    def __init__(
        self, name: str, encoder: ClipEncoder, gpt2: Gpt2, tokenizer: BpeTokenizer,
        selector: KeywordSelector, default_options: DecodingOptions,
    ) -> None:  # fmt: skip
        super().__init__(name, encoder, gpt2, tokenizer, default_options)
        self.selector = selector
        table, boost = encoder.concept_table, selector.constants.concepts_boost
        self._evident = EvidentWords.build(tokenizer, table, boost) if table and boost else None

    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, clip_dim) of this captioner's encoder, in one batch."""
        return self.guess(features, self.selector.select(features), options, keys=keys)

    @cached_property
    def copies(self) -> LanguageCopies:
        """What stands in for its GPT-2, or drafts for it."""
        return LanguageCopies(Gpt2Language(self.model), self.source)

    def trees(self, features: Tensor) -> list[KeywordTree]:
        """What the selection looked at for each of features (B, clip_dim)."""
        return self.selector.trees(features)

    @torch.inference_mode()
    def guess(
        self, features: Tensor, keywords: Sequence[Sequence[Keyword | str]],
        options: DecodingOptions | None = None, *, keys: Sequence[str],
    ) -> list[Caption]:  # fmt: skip
        """Caption each image of features (B, clip_dim) from keywords as given: chosen, edited or written by
        hand.

        Their order is kept, texts given twice are said once, and an image may have none. With the same key,
        seed and keywords the guess is the same. Candidates carry their cosine; `rank_by` says which order
        they come in.
        """
        options = options or self.default_options
        rows = len(features)
        if len(keywords) != rows or len(keys) != rows:
            raise UsageError(
                f"{rows} images need as many keyword lists and keys, not {len(keywords)} and {len(keys)}."
            )
        if not rows:
            return []
        room = self._room(options)
        chosen = [self.fit(self.resolve(features[i], given), room) for i, given in enumerate(keywords)]
        groups = [keep_distinct(group) for group in self._decoded(chosen, keys, options)]
        samples = sampling_beside(options)
        beside = self._decoded(chosen, [""] * rows, samples) if samples else [[] for _ in range(rows)]
        near = rank_by_similarity(self.ranking_encoder(options), features, groups)
        scale = self.encoder.cosine_scale
        ranked = [
            ranked_as_asked(group, prompted, options.rank_by, scale, more)
            for group, prompted, more in zip(near, chosen, beside, strict=True)
        ]
        return [
            Caption(group[0].text, self.name, tuple(group), prompted)
            for group, prompted in zip(ranked, chosen, strict=True)
        ]

    def _decoded(
        self, keywords: Sequence[Sequence[Keyword]], keys: Sequence[str], options: DecodingOptions
    ) -> list[list[Candidate]]:
        """What GPT-2 writes behind each prompt of keywords."""
        embeds, mask = self.prompt_embeds([format_prompt(prompted) for prompted in keywords])
        lm, draft = self.copies.pair(options, len(keywords))
        stepper = self._evident.stepper(keywords) if self._evident else Stepper
        decoded = decode(
            lm, embeds, self.tokenizer, options, keys=keys, attention_mask=mask, stepper=stepper, draft=draft
        )
        return [[_cut(candidate) for candidate in group] for group in decoded]

    def edit_keywords(self, features: Tensor, edit: KeywordEdit) -> tuple[Keyword | str, ...]:
        """The keywords chosen for one image of features (1, clip_dim), with a person's changes."""
        return edit.apply(self.selector.select(features)[0])

    def guess_edited(
        self, image: Image.Image, edit: KeywordEdit, options: DecodingOptions | None = None
    ) -> Caption:
        """`guess` for one picture from its edited keywords."""
        features = self.image_features([image], options)  # (1, clip_dim)
        keys = self.keys_of([image], options)
        captions = self.guess(features, [self.edit_keywords(features, edit)], options, keys=keys)
        return self.with_doubt(features, captions, options)[0]

    def resolve(self, features: Tensor, keywords: Sequence[Keyword | str]) -> tuple[Keyword, ...]:
        """Give each text among `keywords` its cosine with one image's features (clip_dim); each text once."""
        first: dict[str, Keyword | str] = {}
        for keyword in keywords:
            first.setdefault(keyword.strip() if isinstance(keyword, str) else keyword.text, keyword)
        format_prompt(list(first))  # refuses what no prompt can hold
        written = [text for text, keyword in first.items() if isinstance(keyword, str)]
        cosines: dict[str, float] = {}
        if written:
            seen = features[None, : self.encoder.clip_dim]
            similarities = exact_cosines(seen, self.encoder.encode_text(written))[0]
            cosines = dict(zip(written, similarities.tolist(), strict=True))
        return tuple(
            Keyword(text, BY_HAND, cosines[text]) if isinstance(keyword, str) else keyword
            for text, keyword in first.items()
        )

    def fit(self, keywords: Sequence[Keyword], room: int) -> tuple[Keyword, ...]:
        """The first keywords whose prompt has at most `room` tokens: a bank that chose hundreds overflows
        GPT-2."""
        kept = tuple(keywords)
        while kept and len(self.tokenizer.encode(format_prompt(kept))) > room:
            over = len(self.tokenizer.encode(format_prompt(kept))) - room
            kept = kept[: -max(1, over // 16)]
        return kept

    def prompt_embeds(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Prompts -> embeds (B, P, n_embd), shorter ones padded on the left, and their mask (B, P) or None if
        equal."""
        ids = self.tokenizer.encode_batch(prompts)
        longest = max(len(row) for row in ids)
        padded = torch.tensor([[0] * (longest - len(row)) + row for row in ids], device=self.model.device)
        mask = torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=self.model.device
        )
        return self.model.transformer.wte(padded), None if bool(mask.all()) else mask

    def _room(self, options: DecodingOptions) -> int:
        room = self.model.config.n_positions - options.max_new_tokens
        if room < 1:
            raise UsageError(
                f"max_new_tokens {options.max_new_tokens} leaves no room for a prompt in this model's "
                f"{self.model.config.n_positions} positions: lower it."
            )
        return room


def ranked_as_asked(
    group: Sequence[Candidate], keywords: Sequence[Keyword], rank_by: str, cosine_scale: float,
    beside: Sequence[Candidate] = (),
) -> list[Candidate]:  # fmt: skip
    """Candidates that come nearest to the image first, in the order that `rank_by` asks for; beside: what was
    said beside them."""
    if rank_by == "logprob":
        return sorted(group, key=lambda candidate: candidate.avg_logprob, reverse=True)
    if rank_by == "similarity":
        return put_evident_first(group, keywords)
    credits = [CREDIT * evident_said(candidate, keywords) for candidate in group]
    if rank_by == "consensus":
        agreed = consensus_credits(group, beside)
        credits = [sum(pair) for pair in zip(credits, agreed, strict=True)]
    return rank_by_both(group, cosine_scale, credits)


def put_evident_first(group: Sequence[Candidate], keywords: Sequence[Keyword]) -> list[Candidate]:
    """Those candidates first that say most of what the classifier saw; equal ones in the order they had."""
    return sorted(group, key=lambda candidate: -evident_said(candidate, keywords))


def evident_said(candidate: Candidate, keywords: Sequence[Keyword]) -> int:
    """How many things a candidate says of those that the classifier saw."""
    return sum(says(candidate.text, one.text) for one in keywords if one.facet == CONCEPT)


def _cut(candidate: Candidate) -> Candidate:
    text = cut_at_separator(candidate.text)
    return candidate if text == candidate.text else replace(candidate, text=clean_caption(text))
