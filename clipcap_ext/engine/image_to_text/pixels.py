"""What an image-to-text model looks through: its own preparation of pictures; it reads no texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image


class Pixels:
    """An Encoder (see captioning.py) whose features of a picture are its prepared pixels, (3, H, W)."""

    reads_text = False
    concept_words: tuple[str, ...] = ()

    def __init__(self, processor: Any, model: nn.Module, fingerprint: str) -> None:
        """processor: an image processor of transformers. fingerprint: a digest of its settings."""
        self._processor = processor
        self._model = model
        self.fingerprint = fingerprint

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self._model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The model's dtype."""
        return next(self._model.parameters()).dtype

    @property
    def clip_dim(self) -> int:
        """0: there is no space that texts share."""
        return 0

    @property
    def cosine_scale(self) -> float:
        """0: no cosines are compared."""
        return 0.0

    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """Pictures, or what is prepared already -> (B, 3, H, W) float32 on the CPU."""
        if isinstance(images, Tensor):
            return images
        pictures = [image.convert("RGB") for image in images]
        return torch.as_tensor(self._processor(images=pictures, return_tensors="pt")["pixel_values"])

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Refused: UsageError."""
        raise UsageError("This model compares no texts with pictures: take a CLIP for that.")
