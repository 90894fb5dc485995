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

    def __init__(self, processor: Any, model: nn.Module, fingerprint: str, dtype: torch.dtype) -> None:
        """processor: an image processor of transformers. fingerprint: a digest of its settings. dtype: what
        the model was loaded in; a few of its weights may be wider."""
        self._processor = processor
        self._model = model
        self.fingerprint = fingerprint
        self._dtype = dtype

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self._model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The model's dtype."""
        return self._dtype

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

    def features_of(self, image: Image.Image) -> Tensor:
        """A picture -> its features, as `inputs` takes them."""
        return self.encode_image([image])[0]

    def inputs(self, features: Sequence[Tensor] | Tensor, task: str) -> dict[str, Tensor]:
        """Features of pictures -> what generate takes, on the CPU; there is one task."""
        return {"pixel_values": torch.stack(list(features))}

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Refused: UsageError."""
        raise UsageError("This model compares no texts with pictures: take a CLIP for that.")
