"""The ClipCap captioner: images to captions through CLIP, a mapper and GPT-2; not the model's definition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.decoding.decode import decode


class ClipCapCaptioner(FeatureCaptioner):
    """A Captioner (see caption.py) over a loaded ClipCap."""

    model: ClipCapModel

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, clip_dim) of this captioner's encoder, in one batch."""
        options = options or self.default_options
        found = decode(
            self.model.gpt2, self.model.prefix_embeds(features), self.tokenizer, options, keys=keys
        )
        return self.chosen(features, found, options)
