"""Pictures become CLIP's input exactly as open_clip itself makes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.errors import CheckpointError


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(640, 427), (100, 333), (224, 224), (225, 224), (3, 1)])
def test_parity_with_open_clip(size: tuple[int, int]) -> None:
    from open_clip.transform import image_transform

    theirs = image_transform(224, is_train=False)
    torch.testing.assert_close(Preprocess()(noise(*size)), theirs(noise(*size)), rtol=0, atol=1e-6)


def test_squash_keeps_the_whole_picture() -> None:
    half = Image.new("RGB", (400, 100), "black")
    half.paste("white", (200, 0, 400, 100))
    tensor = Preprocess(size=32, mean=(0, 0, 0), std=(1, 1, 1), resize_mode="squash")(half)
    assert tensor.shape == (3, 32, 32)
    assert tensor[:, :, :14].max() < 0.1 and tensor[:, :, 18:].min() > 0.9
    assert (Preprocess(size=32)(half).shape) == (3, 32, 32)


def test_configuration_round_trip_and_refusals() -> None:
    one = Preprocess(size=96, mean=(0.5, 0.5, 0.5), resize_mode="squash", interpolation="bilinear")
    assert Preprocess.from_dict(one.to_dict()) == one
    with pytest.raises(CheckpointError, match="crop"):
        Preprocess.from_dict({"size": 224, "crop": 1})
    with pytest.raises(CheckpointError, match="resize_mode 'longest'"):
        Preprocess(resize_mode="longest")
    with pytest.raises(CheckpointError, match="interpolation"):
        Preprocess(interpolation="nearest")
