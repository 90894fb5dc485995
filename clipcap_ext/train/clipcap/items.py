"""Captions of photos as a ClipCap learns them, tokenised, beside the photos' features; all of it in
memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.caption_text import learnt_caption
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.module import IGNORED_TOKEN
from clipcap_ext.train.loop.batches import pad_ids


class CaptionItems:
    """An item is a caption. Views and noise are drawn from (seed, epoch, item), whatever batch the item is
    in."""

    def __init__(
        self, config: CaptioningConfig, tokenizer: CaptionVocabulary, features: Tensor,
        texts: Sequence[Sequence[str]],
        *, seed: int | None = None, all_items: bool = False,
    ) -> None:  # fmt: skip
        """features (N, views, clip_dim) and the captions of each of the N photos, as `prepare_caption`
        leaves them.

        seed: the configuration's if left out. all_items: keep captions of which no token is learnt, too.
        """
        self.features = features
        self.seed = config.seed if seed is None else seed
        self._config = config
        self.ids, self.rows = tokenise(config, tokenizer, texts, all_items)
        self.lengths = [len(ids) for ids in self.ids]
        self._weights = np.array([count_learnt(config, ids) for ids in self.ids])

    def weight(self, items: np.ndarray) -> int:
        """Labelled tokens."""
        return int(self._weights[items].sum())

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        views = np.random.default_rng((self.seed, epoch, 2)).integers(
            self.features.shape[1], size=len(self.ids)
        )
        features = self.features[self.rows[items], views[items]]
        if self._config.feature_noise:
            features = self._noisy(features, items, epoch)
        return {"image_features": features, **pad_ids([self.ids[item] for item in items])}

    def _noisy(self, features: Tensor, items: np.ndarray, epoch: int) -> Tensor:
        streams = [np.random.default_rng((self.seed, epoch, 3, int(item))) for item in items]
        noise = np.stack([stream.standard_normal(features.shape[-1], dtype=np.float32) for stream in streams])
        scale = self._config.feature_noise / features.shape[-1] ** 0.5
        return features + scale * features.norm(dim=-1, keepdim=True) * torch.from_numpy(noise)


def prepare_caption(text: str, config: CaptioningConfig) -> str:
    """A caption as it is learnt: white space collapsed, in lower case and with its full stop as configured.

    GPT-2 joins a space to the word behind it, and the first word has none.
    """
    return learnt_caption(text, lowercase=config.lowercase, end_stop=config.end_stop)


def tokenise(
    config: CaptioningConfig, tokenizer: CaptionVocabulary, texts: Sequence[Sequence[str]],
    all_items: bool = False,
) -> tuple[list[list[int]], np.ndarray]:  # fmt: skip
    """The captions' ids, cut to max_tokens, and whose each is; without those of which no token is learnt."""
    ids = [
        row[: config.max_tokens] for row in tokenizer.caption_ids([text for group in texts for text in group])
    ]
    rows = np.repeat(np.arange(len(texts)), [len(group) for group in texts])
    kept = [i for i, caption_ids in enumerate(ids) if all_items or count_learnt(config, caption_ids)]
    return [ids[i] for i in kept], rows[kept]


def count_learnt(config: CaptioningConfig, ids: Sequence[int]) -> int:
    """How many of a caption's tokens are learnt."""
    return len(ids) - (ids.count(IGNORED_TOKEN) if config.ignore_token_zero else 0)
