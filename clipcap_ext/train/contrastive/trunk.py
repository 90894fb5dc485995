"""timm's EfficientNet run the fast way on a CPU, for training with frozen batch norms; it holds no weights of
its own.

Frozen batch norms are folded into the convolutions in front of them, and a 1x1 convolution becomes a matrix
product over channels-last positions. The filters of depthwise convolutions stand still: their gradient alone
takes longer than the rest of a step together and they are two parts in a hundred of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def freeze_depthwise(trunk: nn.Module) -> None:
    """Take the depthwise convolutions and their batch norms out of the training."""
    for block in _blocks(trunk):
        norm = block.bn2 if hasattr(block, "conv_pwl") else block.bn1
        for parameter in (*block.conv_dw.parameters(), *norm.parameters()):
            parameter.requires_grad_(False)


def pooled(trunk: Any, pixels: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, features), what trunk.eval() gives but for rounding; gradients reach all that may
    train."""
    x = _spatial(trunk.conv_stem, trunk.bn1, pixels.permute(0, 2, 3, 1))
    for block in _blocks(trunk):
        x = _block(block, x)
    x = _pointwise(trunk.conv_head, trunk.bn2, x)
    return x.mean((1, 2), dtype=torch.promote_types(x.dtype, torch.float32))


def _blocks(trunk: Any) -> list[Any]:
    return [block for stage in trunk.blocks for block in stage]


def _block(block: Any, x: Tensor) -> Tensor:
    """One block; x is (B, H, W, C)."""
    if hasattr(block, "conv_pwl"):  # inverted residual: widen, filter, narrow
        y = _spatial(block.conv_dw, block.bn2, _pointwise(block.conv_pw, block.bn1, x))
        y = _pointwise(block.conv_pwl, block.bn3, y)
    else:  # depthwise separable: filter, then mix
        y = _pointwise(block.conv_pw, block.bn2, _spatial(block.conv_dw, block.bn1, x))
    return x + block.drop_path(y) if block.has_skip else y


def _folded(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale


def _pointwise(conv: Any, norm: Any, x: Tensor) -> Tensor:
    weight, bias = _folded(conv, norm)
    return norm.act(functional.linear(x, weight.flatten(1), bias))


def _spatial(conv: Any, norm: Any, x: Tensor) -> Tensor:
    """A convolution over positions, padded as TensorFlow does ("same", the odd row and column at the end)."""
    weight, bias = _folded(conv, norm)
    stride, kernel = conv.stride[0], conv.kernel_size[0]
    if stride > 1:
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[1:3])
        x = functional.pad(x, (0, 0, width // 2, width - width // 2, height // 2, height - height // 2))
    padding = 0 if stride > 1 else kernel // 2
    y = functional.conv2d(x.permute(0, 3, 1, 2), weight, bias, stride, padding, groups=conv.groups)
    return norm.act(y.permute(0, 2, 3, 1))
