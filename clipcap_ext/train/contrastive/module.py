"""The contrastive model: a CLIP, its loss over several captions an image, and its start from ImageNet; no
data here."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.clip.imagenet import LITES, read_imagenet
from clipcap_ext.engine.clip.loading import build_clip
from clipcap_ext.engine.clip.text import encode_tokens
from clipcap_ext.errors import UsageError
from clipcap_ext.train.contrastive import trunk as fast
from clipcap_ext.train.contrastive.config import ContrastiveConfig


class TimmTower(nn.Module):
    """The face of open_clip's image tower over a timm model: pixels to pooled features to CLIP's space."""

    trunk: nn.Module
    head: nn.Module


class ContrastiveModule(nn.Module):
    """A CLIP whose forward is the summed loss of a batch. `frozen` says whether the image trunk stands
    still."""

    mean: Tensor  # (1, 3, 1, 1), of bytes, as std
    std: Tensor

    def __init__(self, config: ContrastiveConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.frozen = config, False
        self.clip = build_clip(config.model_cfg(vocab_size))
        with torch.no_grad():
            self.clip.logit_scale.fill_(-torch.tensor(config.temperature).log())
        if config.image_init == "imagenet":
            load_imagenet(self.visual.trunk, config.image_model)
        freeze_first_blocks(self.visual.trunk, config.freeze_blocks)
        self.folded = config.image_model in LITES and config.batch_norm == "frozen"
        if self.folded:
            fast.freeze_depthwise(self.visual.trunk)
        self.visual.to(memory_format=torch.channels_last)  # the fast layout of convolutions
        mean, std = (
            torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (config.preprocess.mean, config.preprocess.std)
        )
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    @property
    def visual(self) -> TimmTower:
        """The image tower, a timm model's because every configuration names one."""
        return cast(TimmTower, self.clip.visual)

    def train(self, mode: bool = True) -> ContrastiveModule:
        """Training mode, but for the batch norms where their statistics are frozen and for a frozen trunk."""
        super().train(mode)
        if self.frozen:
            self.visual.trunk.eval()
        if self.config.batch_norm == "frozen":
            for module in self.visual.trunk.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def image_features(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) bytes -> (B, embed_dim) unit norm."""
        visual = self.visual
        inputs = (pixels.float() - self.mean) / self.std
        if self.training and self.config.train_size:
            inputs = functional.interpolate(
                inputs, size=self.config.train_size, mode="bilinear", antialias=True
            )
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pooled = fast.pooled(visual.trunk, inputs) if self.folded else visual.trunk(inputs)
        return functional.normalize(visual.head(pooled).float(), dim=-1)

    def text_features(self, input_ids: Tensor) -> Tensor:
        """(B, T) ids padded to the longest only -> (B, embed_dim) unit norm, as encode_text at full width."""
        return functional.normalize(encode_tokens(self.clip, input_ids).float(), dim=-1)

    def forward(self, pixels: Tensor, input_ids: Tensor, pair_ids: Tensor | None = None) -> Tensor:
        """pixels (B, 3, H, W) bytes; input_ids (B * captions, T), an image's captions together; pair_ids
        (2 * P, T), captions of P photos that are not here and behind them another of each -> summed loss."""
        loss = self._loss(self.image_features(pixels), self.text_features(input_ids))
        if pair_ids is not None:
            one, other = self.text_features(pair_ids).chunk(2)
            loss = loss + self.config.texts_weight * self._loss(one, other)
        return loss * len(pixels)

    def _loss(self, images: Tensor, texts: Tensor) -> Tensor:
        scale = self.clip.logit_scale.clamp(max=4.6052).exp()  # at most 100, as CLIP
        return contrastive_loss(scale * gather(images) @ gather(texts).T, self.config.label_smoothing)


def contrastive_loss(logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Symmetric InfoNCE of (B, B * k) similarities, where image i's positives are columns i * k .. i * k + k
    - 1.

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
        raise UsageError(
            f"freeze_blocks is {count}, but the image trunk has {len(blocks) if blocks else 'no'} blocks."
        )
    later = {id(p) for part in blocks[count:] for p in part.parameters()}
    after = {
        id(p)
        for name in ("conv_head", "bn2", "norm")
        for p in getattr(trunk, name, nn.Identity()).parameters()
    }
    for parameter in trunk.parameters():
        if id(parameter) not in later | after:
            parameter.requires_grad_(False)


def load_imagenet(trunk: nn.Module, image_model: str) -> None:
    """Fill one of LITES with its ImageNet weights; UsageError for another CNN."""
    if image_model not in LITES:
        raise UsageError(
            f"image_init=imagenet is for {' and '.join(LITES)}; for {image_model} set image_init=random."
        )
    trunk.load_state_dict(read_imagenet(image_model))
