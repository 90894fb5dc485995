"""Captions without photos as they are learnt: drawn, and with features that stand for their photos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from clipcap_ext.corpus import FeatureTable
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.train.clipcap.evidence_items import TextCaptions, like_photos
from clipcap_ext.train.other_captions import read_other_captions

BATCH = 256


def read_photoless(path: Path, image_ids: Collection[str]) -> list[str]:
    """The captions of `read_other_captions`, one after the other."""
    return [caption for captions in read_other_captions(path, image_ids) for caption in captions]


def draw_photoless(captions: Sequence[str], limit: int, seed: int) -> list[str]:
    """`limit` of the captions in an order drawn by the seed; 0 is all of them."""
    order = np.random.default_rng((seed, 9)).permutation(len(captions))
    return [captions[place] for place in order[: limit or None]]


def encode_photoless(
    encoder: ClipEncoder, chosen: Sequence[str], photos: FeatureTable, say: Callable[[str], None]
) -> TextCaptions:
    """Captions as they are learnt, with features that stand for their photos."""
    import torch

    parts = []
    for at in range(0, len(chosen), BATCH):
        if at // BATCH % 10 == 0:
            say(f"features of captions without photos: {at} of {len(chosen)}")
        parts.append(encoder.encode_text(list(chosen[at : at + BATCH])).cpu())
    plain = photos.features[:, 0, : encoder.clip_dim]
    return TextCaptions(tuple(chosen), like_photos(torch.cat(parts), plain))
