"""The face of a CLIP: what this package uses of the models that open_clip builds; none is defined here."""

from __future__ import annotations

from torch import Tensor, nn


class ClipModel(nn.Module):
    """Two towers in one space. open_clip's CLIP has all of this, but carries no types that could say so."""

    visual: nn.Module
    token_embedding: nn.Embedding
    positional_embedding: Tensor  # (context_length, width)
    logit_scale: Tensor  # (), the logarithm of what cosines are multiplied by

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed -> (B, clip_dim), not normalised."""
        raise NotImplementedError

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Ids (B, context_length) -> (B, clip_dim), not normalised."""
        raise NotImplementedError
