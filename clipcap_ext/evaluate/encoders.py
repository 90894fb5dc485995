"""Texts through an encoder, for retrieval; the engine loads the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clipcap_ext.engine.clip.encoder import ClipEncoder

CHUNK = 64


def encode_texts(encoder: ClipEncoder, texts: Sequence[str]) -> torch.Tensor:
    """(len(texts), clip_dim) of unit norm, on the CPU, in small batches."""
    parts = [encoder.encode_text(texts[start : start + CHUNK]).cpu() for start in range(0, len(texts), CHUNK)]
    return torch.cat(parts)
