"""The ClipCap captioner: images to captions through CLIP, a mapper and GPT-2; not the model's definition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner, distinct, rank_by_similarity
from clipcap_ext.engine.clip_encoder import ClipEncoder
from clipcap_ext.engine.decoding import decode
from clipcap_ext.engine.model import ClipCapModel
from clipcap_ext.engine.tokenizer import BpeTokenizer


class ClipCapCaptioner(FeatureCaptioner):
    """A Captioner (see caption.py) over a loaded ClipCap."""

    def __init__(
        self, name: str, encoder: ClipEncoder, model: ClipCapModel, tokenizer: BpeTokenizer,
        default_options: DecodingOptions,
    ) -> None:  # fmt: skip
        super().__init__(name, encoder, tokenizer, default_options)
        self.model = model

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, clip_dim) of this captioner's encoder, in one batch."""
        options = options or self.default_options
        found = decode(self.model.gpt2, self.model.prefix_embeds(features), self.tokenizer, options, keys=keys)
        groups = [distinct(group) for group in found]
        if options.rank_by == "similarity":
            groups = rank_by_similarity(self.encoder, features, groups)
        return [Caption(group[0].text, self.name, tuple(group)) for group in groups]

    def to(self, device: torch.device | str) -> ClipCapCaptioner:
        """Move encoder, mapper and GPT-2 in place; returns self."""
        self.encoder.to(device)
        self.model.to(device)
        return self
