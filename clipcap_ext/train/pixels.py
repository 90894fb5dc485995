"""Photos decoded once, kept in memory as bytes and cropped, mirrored and coloured for each look; not for inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from clipcap_ext.engine.preprocess import Preprocess


@dataclass(frozen=True)
class Augmentation:
    """How a photo may change each time it is seen. All off is the plain picture."""

    crop_min: float = 1.0  # smallest part of the area that a random crop keeps; 1 is off
    aspect: float = 4 / 3  # largest change of the aspect ratio of a crop, either way
    flip: float = 0.0  # probability of mirroring
    jitter: float = 0.0  # strength of brightness, contrast and saturation changes

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """A changed copy of the same size."""
        if self.crop_min < 1:
            image = self._crop(image, rng)
        if rng.random() < self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.jitter:
            for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
                image = enhance(image).enhance(1 + self.jitter * rng.uniform(-1, 1))
        return image

    def _crop(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = image.size
        area = rng.uniform(self.crop_min, 1)
        ratio = np.exp(rng.uniform(-np.log(self.aspect), np.log(self.aspect)))
        part_w, part_h = min(1.0, (area * ratio) ** 0.5), min(1.0, (area / ratio) ** 0.5)
        left, top = rng.uniform(0, (1 - part_w) * width), rng.uniform(0, (1 - part_h) * height)
        box = (left, top, left + part_w * width, top + part_h * height)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)


class Pixels:
    """The photos as (N, size, size, 3) bytes, each resized as `preprocess` resizes it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @classmethod
    def load(
        cls, paths: Sequence[Path], read: Callable[[Path], Image.Image], preprocess: Preprocess, workers: int = 2
    ) -> Pixels:
        """Decode every photo with `read` in threads; the errors of `read` pass through."""
        array = np.empty((len(paths), preprocess.size, preprocess.size, 3), dtype=np.uint8)

        def fill(i: int) -> None:
            array[i] = np.asarray(preprocess.resize(read(paths[i]).convert("RGB")))

        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(fill, range(len(paths))):
                pass
        return cls(array)

    def plain(self, rows: Sequence[int] | np.ndarray) -> Tensor:
        """(B, 3, size, size) bytes, unchanged."""
        return torch.from_numpy(self.array[np.asarray(rows)]).permute(0, 3, 1, 2)

    def augmented(self, rows: np.ndarray, augmentation: Augmentation, seed: int, epoch: int) -> Tensor:
        """(B, 3, size, size) bytes, each changed by its own generator of (seed, epoch, row)."""
        looks = [
            np.asarray(augmentation(Image.fromarray(self.array[row]), np.random.default_rng((seed, epoch, int(row)))))
            for row in rows
        ]
        return torch.from_numpy(np.stack(looks)).permute(0, 3, 1, 2)
