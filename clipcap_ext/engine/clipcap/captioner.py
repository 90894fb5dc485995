"""The ClipCap captioner: images to captions through CLIP, a mapper and a language model; not the model's
definition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.clipcap.evident import EvidenceReader
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.consensus import sampling_beside
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.precision.copies import LanguageCopies


class ClipCapCaptioner(FeatureCaptioner[ClipCapModel, CaptionVocabulary]):
    """A Captioner (see captioning.py) over a loaded ClipCap."""

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, clip_dim and, with a concept reader, its words) of this captioner's
        encoder, in one batch."""
        options = options or self.default_options
        decoded = self._decoded(features, keys, options)
        samples = sampling_beside(options)
        beside = None if samples is None else self._decoded(features, [""] * len(features), samples)
        return self.make_captions(features, decoded, options, beside)

    def _decoded(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions
    ) -> list[list[Candidate]]:
        models = self.copies.pair(options, len(features))
        if self.reader is not None:
            return self.reader.decode(features, options, keys=keys, models=models)
        (lm, draft), prefix = models, self.model.prefix_embeds(features)
        return decode(lm, prefix, self.tokenizer, options, keys=keys, draft=draft)

    @cached_property
    def copies(self) -> LanguageCopies:
        """What stands in for its language model, or drafts for it."""
        return LanguageCopies(self.model.language, self.source)

    @cached_property
    def reader(self) -> EvidenceReader | None:
        """What reads the evidence, where the model was taught to."""
        config = self.model.config.evidence_config
        if config is None or (table := self.encoder.concept_table) is None:
            return None
        return EvidenceReader(self.model, self.tokenizer, table, config)
