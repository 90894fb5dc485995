"""The contrastive model: a CLIP, its loss over several captions an image, and its start from ImageNet; no data here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.clip_encoder import build_clip
from clipcap_ext.engine.clip_text import encode_tokens
from clipcap_ext.engine.imagenet import LITE0, LITE0_MEAN, LITE0_STD, fill_lite0
from clipcap_ext.engine.preprocess import Preprocess
from clipcap_ext.errors import UsageError
from clipcap_ext.train import trunk as fast
from clipcap_ext.train.config import TrainConfig, option


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(TrainConfig):
    """Options of training a small CLIP."""

    task: ClassVar[str] = "contrastive"
    monitors: ClassVar[dict[str, bool]] = {"val_loss": False, "t2i_r1": True, "t2i_r10": True, "i2t_r10": True}

    image_model: str = option(LITE0, "timm's name of the image tower.")
    image_init: str = option(
        "imagenet", "imagenet (EfficientNet-Lite0 only) or random.", choices=("imagenet", "random")
    )
    image_size: int = option(224, "Side of the square the photos are resized to.", low=16, high=1024)
    resize_mode: str = option("squash", "How a photo becomes a square.", choices=("squash", "shortest"))
    train_size: int = option(
        0, "Side the cropped photos are shrunk to in training alone, a cheaper step; 0 is image_size.", low=0, high=1024
    )
    embed_dim: int = option(256, "Length of the features both towers end in.", low=2)
    image_drop: float = option(0.0, "Dropout before the image projection.", low=0, high=0.9)
    drop_path: float = option(0.0, "Stochastic depth of the image tower.", low=0, high=0.9)
    image_lr: float = option(1e-4, "Highest learning rate of the image tower's trunk; lr is for the rest.", low=0)
    freeze_image_epochs: int = option(0, "First epochs in which the image trunk stays as it is.", low=0)
    freeze_blocks: int = option(
        0, "First blocks of the image trunk (and its stem) that are never trained: a cheaper step.", low=0
    )
    batch_norm: str = option(
        "frozen",
        "Batch norms of the trunk: kept, and with them EfficientNet-Lite0's depthwise filters; or trained.",
        choices=("frozen", "train"),
    )
    text_width: int = option(256, "Width of the text tower.", low=8)
    text_layers: int = option(4, "Layers of the text tower.", low=1)
    text_heads: int = option(4, "Heads of the text tower.", low=1)
    text_init: str = option(
        "random", "Token table: random, or MiniLM's embeddings of the tokens.", choices=("random", "minilm")
    )
    context_length: int = option(40, "Longest text in tokens, start and end included.", low=4)
    vocab_size: int = option(4000, "Entries of the text vocabulary, learnt on the training captions.", low=258)
    token_dropout: float = option(0.0, "Part of a caption's tokens left out each time it is seen.", low=0, high=0.9)
    captions_per_image: int = option(2, "Captions of an image in one batch, all of them positives.", low=1)
    temperature: float = option(0.07, "Starting temperature of the similarities; it is learnt.", low=0.01, high=1)
    label_smoothing: float = option(0.0, "Part of the target spread over the other pairs.", low=0, high=0.9)
    crop_min: float = option(0.6, "Smallest part of the area a random crop keeps; 1 is off.", low=0.05, high=1)
    flip: float = option(0.5, "Probability of mirroring a photo.", low=0, high=1)
    jitter: float = option(0.0, "Strength of random brightness, contrast and saturation.", low=0, high=0.9)

    @property
    def preprocess(self) -> Preprocess:
        """How the encoder sees a photo, in training and ever after."""
        if self.image_model == LITE0:
            mean, std = LITE0_MEAN, LITE0_STD
        else:
            mean = std = (0.5, 0.5, 0.5)
        return Preprocess(size=self.image_size, mean=mean, std=std, resize_mode=self.resize_mode)

    def model_cfg(self, vocab_size: int) -> dict[str, Any]:
        """open_clip's words for the model; `vocab_size` is the number of entries found, start and end included."""
        vision = {
            "timm_model_name": self.image_model, "timm_model_pretrained": False, "timm_pool": "avg",
            "timm_proj": "linear", "timm_drop": self.image_drop, "timm_drop_path": self.drop_path or None,
            "image_size": self.image_size,
        }  # fmt: skip
        text = {
            "context_length": self.context_length, "vocab_size": vocab_size, "width": self.text_width,
            "heads": self.text_heads, "layers": self.text_layers,
        }  # fmt: skip
        return {"embed_dim": self.embed_dim, "vision_cfg": vision, "text_cfg": text}


class ContrastiveModule(nn.Module):
    """A CLIP whose forward is the summed loss of a batch. `frozen` says whether the image trunk stands still."""

    def __init__(self, config: ContrastiveConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.frozen = config, False
        self.clip = build_clip(config.model_cfg(vocab_size))
        with torch.no_grad():
            self.clip.logit_scale.fill_(-torch.tensor(config.temperature).log())
        if config.image_init == "imagenet":
            load_imagenet(self.clip.visual.trunk, config.image_model)
        freeze_first_blocks(self.clip.visual.trunk, config.freeze_blocks)
        self.folded = config.image_model == LITE0 and config.batch_norm == "frozen"
        if self.folded:
            fast.freeze_depthwise(self.clip.visual.trunk)
        self.clip.visual.to(memory_format=torch.channels_last)  # the fast layout of convolutions
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (config.preprocess.mean, config.preprocess.std))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def train(self, mode: bool = True) -> ContrastiveModule:
        """Training mode, but for the batch norms where their statistics are frozen and for a frozen trunk."""
        super().train(mode)
        if self.frozen:
            self.clip.visual.trunk.eval()
        if self.config.batch_norm == "frozen":
            for module in self.clip.visual.trunk.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def image_features(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) bytes -> (B, embed_dim) unit norm."""
        visual = self.clip.visual
        inputs = (pixels.float() - self.mean) / self.std
        if self.training and self.config.train_size:
            inputs = functional.interpolate(inputs, size=self.config.train_size, mode="bilinear", antialias=True)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pooled = fast.pooled(visual.trunk, inputs) if self.folded else visual.trunk(inputs)
        return functional.normalize(visual.head(pooled).float(), dim=-1)

    def text_features(self, input_ids: Tensor) -> Tensor:
        """(B, T) ids padded to the longest only -> (B, embed_dim) unit norm, as encode_text at full width."""
        return functional.normalize(encode_tokens(self.clip, input_ids).float(), dim=-1)

    def forward(self, pixels: Tensor, input_ids: Tensor) -> Tensor:
        """pixels (B, 3, H, W) bytes; input_ids (B * captions, T), an image's captions together -> summed loss."""
        images, texts = gather(self.image_features(pixels)), gather(self.text_features(input_ids))
        scale = self.clip.logit_scale.clamp(max=4.6052).exp()  # at most 100, as CLIP
        return contrastive_loss(scale * images @ texts.T, self.config.label_smoothing) * len(pixels)


def contrastive_loss(logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Symmetric InfoNCE of (B, B * k) similarities, where image i's positives are columns i * k .. i * k + k - 1.

    An image's target is spread evenly over its captions; a caption's target is its image.
    """
    rows, columns = logits.shape
    captions = columns // rows
    target = torch.eye(rows, device=logits.device).repeat_interleave(captions, dim=1)  # (B, B * k)
    to_texts = functional.cross_entropy(logits, target / captions, label_smoothing=label_smoothing)
    to_images = functional.cross_entropy(logits.T, target.T.contiguous(), label_smoothing=label_smoothing)
    return (to_texts + to_images) / 2


def gather(features: Tensor) -> Tensor:
    """The features of all processes, in the order of their ranks, with gradients to each."""
    if not dist.is_initialized() or dist.get_world_size() == 1 or not torch.is_grad_enabled():
        return features
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(features), dim=0)


def freeze_first_blocks(trunk: nn.Module, count: int) -> None:
    """Take the stem and the first `count` blocks of a timm trunk out of the training; 0 takes nothing."""
    if not count:
        return
    blocks = getattr(trunk, "blocks", None)
    if blocks is None or count > len(blocks):
        raise UsageError(f"freeze_blocks is {count}, but the image trunk has {len(blocks) if blocks else 'no'} blocks.")
    later = {id(p) for part in blocks[count:] for p in part.parameters()}
    after = {id(p) for name in ("conv_head", "bn2", "norm") for p in getattr(trunk, name, nn.Identity()).parameters()}
    for parameter in trunk.parameters():
        if id(parameter) not in later | after:
            parameter.requires_grad_(False)


def load_imagenet(trunk: nn.Module, image_model: str) -> None:
    """Fill an EfficientNet-Lite0 with its ImageNet weights; UsageError for another CNN."""
    if image_model != LITE0:
        raise UsageError(f"image_init=imagenet is for {LITE0}; for {image_model} set image_init=random.")
    fill_lite0(trunk)
