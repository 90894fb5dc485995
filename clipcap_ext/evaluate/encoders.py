"""Texts through an encoder, for retrieval; the engine loads the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clipcap_ext.engine.clip.encoder import ClipEncoder

CHUNK = 64


def encode_texts(encoder: ClipEncoder, texts: Sequence[str]) -> torch.Tensor:
    """(len(texts), clip_dim) of unit norm, on the CPU, in small batches; equal texts have equal features."""
    distinct = sorted(set(texts))  # features know their place in the batch in the last digit
    row = {text: i for i, text in enumerate(distinct)}
    starts = range(0, len(distinct), CHUNK)
    features = torch.cat([encoder.encode_text(distinct[start : start + CHUNK]).cpu() for start in starts])
    return features[[row[text] for text in texts]]
