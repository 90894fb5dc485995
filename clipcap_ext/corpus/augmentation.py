"""How a photo may change each time it is seen in training: cropped, mirrored, recoloured; not for
inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance


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
