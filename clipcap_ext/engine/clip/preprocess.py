"""From a PIL image to CLIP's input tensor, the same on every version of open_clip and torchvision; no
augmentation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.errors import CheckpointError, printable
from clipcap_ext.foreign_json import shown

if TYPE_CHECKING:
    from PIL import Image

RESIZE_MODES = ("shortest", "squash")
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocess:
    """Resize to a square (by the shortest side then centre crop, or squashed), scale to 0..1, standardise.

    Parity with open_clip's own evaluation transform (bicubic) is tested.
    """

    size: int = 224
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    resize_mode: str = "shortest"
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 8 <= self.size <= 4096:
            raise CheckpointError(f"size must be a whole number from 8 to 4096, not {shown(self.size)}.")
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = isinstance(values, tuple) and all(type(number) in (int, float) for number in values)
            if not numbers or len(values) != 3 or (name == "std" and min(values) <= 0):
                raise CheckpointError(f"{name} must be three numbers (std's above 0), not {shown(values)}.")
        if self.resize_mode not in RESIZE_MODES:
            raise CheckpointError(
                f"resize_mode {self.resize_mode!r} is not one of {', '.join(RESIZE_MODES)}."
            )
        if self.interpolation not in ("bicubic", "bilinear"):
            raise CheckpointError(f"interpolation {self.interpolation!r} is neither bicubic nor bilinear.")

    def __call__(self, image: Image.Image) -> Tensor:
        """A PIL image of any size -> (3, size, size) float32."""
        pixels = np.asarray(self.resize(image if image.mode == "RGB" else image.convert("RGB")))
        # by numpy, which keeps to the thread it is called in: several prepare pictures beside the encoder
        made = np.empty((3, self.size, self.size), dtype=np.float32)
        for channel, standardised in enumerate(self._standardised()):
            np.take(standardised, pixels[:, :, channel], out=made[channel], mode="clip")
        return torch.from_numpy(made)

    def _standardised(self) -> np.ndarray:
        """(3, 256): what each byte of each channel becomes."""
        mean, std = (np.array(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        return (np.arange(256, dtype=np.float32) / np.float32(255.0) - mean) / std

    def resize(self, image: Image.Image) -> Image.Image:
        """The picture as CLIP sees it: size x size pixels."""
        from PIL import Image

        filter_ = Image.Resampling.BICUBIC if self.interpolation == "bicubic" else Image.Resampling.BILINEAR
        if self.resize_mode == "squash":
            return image.resize((self.size, self.size), filter_)
        width, height = image.size
        short, long = min(width, height), max(width, height)
        longer = int(self.size * long / short)
        width, height = (self.size, longer) if width <= height else (longer, self.size)
        image = image.resize((width, height), filter_)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return image.crop((left, top, left + self.size, top + self.size))

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in open_clip_config.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Read `to_dict`'s form; CheckpointError for unknown keys."""
        unknown = sorted(set(values) - {spec.name for spec in fields(cls)})
        if unknown:
            names = ", ".join(printable(name)[:60] for name in unknown)
            raise CheckpointError(f"preprocess_cfg has unknown keys: {names}.")
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)
