"""What a tagger looks through: pictures as white squares, BGR, to the probability of each tag; it reads no
texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.engine.images.reading import to_rgb
from clipcap_ext.engine.tagger.network import Network
from clipcap_ext.errors import UsageError
from clipcap_ext.files import file_sha256

if TYPE_CHECKING:
    from PIL import Image

WHITE = (255, 255, 255)


class TagEncoder:
    """An Encoder (see captioning.py) whose features of a picture are its tags' probabilities."""

    reads_text = False
    concept_words: tuple[str, ...] = ()
    dtype = torch.float32
    clip_dim = 0  # there is no space that texts share
    cosine_scale = 0.0

    def __init__(self, file: Path, tags: int, device: torch.device) -> None:
        """file: model.onnx, which gives `tags` probabilities."""
        self._file, self._tags = file, tags
        self.device = device
        self._network = Network(file, tags, device.type)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the model's file."""
        return file_sha256(self._file)

    @property
    def weight_bytes(self) -> int:
        """About what the model takes in memory."""
        return self._file.stat().st_size

    def prepare(self, image: Image.Image) -> Tensor:
        """A picture in the middle of a white square, shrunk or grown to the model's: (side, side, 3), BGR,
        from 0 to 255."""
        return torch.from_numpy(square(image, self._network.size))

    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """Pictures, or what is prepared already -> (B, tags) float32; one at a time, so that no batch changes
        a digit."""
        ready = images if isinstance(images, Tensor) else [self.prepare(image) for image in images]
        rows = [torch.from_numpy(self._network.probabilities(one.numpy())) for one in ready]
        return torch.stack(rows) if rows else torch.empty(0, self._tags)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Refused: UsageError."""
        raise UsageError("A tagger compares no texts with pictures: take a CLIP for that.")

    def to(self, device: torch.device | str) -> None:
        """Move the model: it is loaded anew where the kind of device is another."""
        wanted = torch.device(device)
        if wanted.type != self.device.type:
            self._network = Network(self._file, self._tags, wanted.type)
        self.device = wanted


def square(image: Image.Image, side: int) -> np.ndarray:
    """(side, side, 3) float32: BGR from 0 to 255, the picture in the middle, white around it."""
    from PIL import Image

    rgb = to_rgb(image)
    longest = max(rgb.size)
    whole = Image.new("RGB", (longest, longest), WHITE)
    whole.paste(rgb, ((longest - rgb.width) // 2, (longest - rgb.height) // 2))
    if longest != side:
        whole = whole.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(whole, dtype=np.float32)[:, :, ::-1])
