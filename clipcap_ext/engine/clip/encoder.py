"""CLIP's two towers over open_clip: images or texts to features. Normalisation lives here and nowhere
else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.text import ClipTokens, encode_tokens

if TYPE_CHECKING:
    from PIL import Image


class ClipEncoder:
    """A CLIP with its own preprocessing. Features are float32, on the encoder's device.

    `reads_text` is False where there is an image tower only (imagenet.py); `encode_text` then raises a
    UsageError.
    """

    reads_text = True

    def __init__(
        self, clip: nn.Module, preprocess: Preprocess, tokens: ClipTokens, config: EncoderConfig
    ) -> None:
        self.config = config
        self.preprocess = preprocess
        self._clip = clip.eval()
        self._tokens = tokens
        self._reading = threading.Lock()  # encode_tokens is for one thread at a time

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self._clip.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return next(self._clip.parameters()).dtype

    @cached_property
    def clip_dim(self) -> int:
        """Length of a feature vector."""
        return len(self.encode_text(["a"])[0])

    @cached_property
    def fingerprint(self) -> str:
        """A digest of weights, preprocessing and normalisation: the same digest, the same features."""
        digest = hashlib.sha256(repr((self.preprocess, self.config.normalize)).encode())
        for name, tensor in sorted(self._clip.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:32]

    @torch.no_grad()
    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """PIL images, or a batch (B, 3, H, W) already preprocessed -> (B, clip_dim), unit norm iff
        config.normalize."""
        if not isinstance(images, Tensor):
            images = torch.stack([self.preprocess(image) for image in images])
        images = images.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        features = self._clip.encode_image(images).float()
        return nn.functional.normalize(features, dim=-1) if self.config.normalize else features

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> (B, clip_dim), always of unit norm; a text longer than the context is cut at its end."""
        tokens = self._tokens(texts).to(self.device)  # (B, context_length)
        with self._reading:
            features = encode_tokens(self._clip, tokens)
        return nn.functional.normalize(features.float(), dim=-1)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> ClipEncoder:
        """Move the weights in place; returns self."""
        self._clip.to(device=device, dtype=dtype)
        return self
