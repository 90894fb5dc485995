"""Linear layers with 8-bit weights for a CPU, made from trained ones; nothing is calibrated or trained.

Each row of what comes in is spread over 7 bits by its own least and greatest number, so what a row gives does
not depend on the rows beside it, as it would with torch's own dynamic layer, which spreads a whole batch at
once.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

ENGINES = ("fbgemm", "x86")  # both are FBGEMM where rows are few; the former is in every torch since 1.3
NARROWEST = 512  # inputs of a layer: below, 8 bits take longer than they save
LEVELS = 127  # a weight is a whole number from -127 to 127 times its row's scale
SMALLEST = 1e-20  # half of the span of a row whose numbers are all one
Module = TypeVar("Module", bound=nn.Module)


def can_int8() -> bool:
    """Whether this torch and this processor have 8-bit layers that were written for it."""
    known = torch.backends.quantized.supported_engines
    return any(engine in known for engine in ENGINES) and hasattr(torch.ops.quantized, "linear_dynamic")


class Int8Linear(nn.Module):
    """A trained linear layer in 8 bits: (..., in) -> (..., out), float32 outside. For a CPU and for reading
    only."""

    scale: Tensor
    sums: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight (out, in), bias (out,)."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        rows = weight.detach().float().contiguous()
        scale = rows.abs().amax(1).clamp_min(SMALLEST) / LEVELS
        quantized = _quantized(rows, scale)
        self._packed = torch.ops.quantized.linear_prepack(quantized, None)
        self.register_buffer("scale", scale, persistent=True)
        self.register_buffer("sums", quantized.dequantize().sum(1))
        self.register_buffer("bias", torch.zeros_like(scale) if bias is None else bias.detach().float())

    @property
    def weight_bytes(self) -> int:
        """What the packed weights take."""
        return self.in_features * self.out_features

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (..., in) -> (..., out)."""
        rows = inputs.reshape(-1, self.in_features).float()
        low, high = torch.aminmax(rows, dim=1, keepdim=True)
        half, middle = ((high - low) / 2).clamp_min_(SMALLEST), (high + low) / 2
        spread = rows.new_empty(len(rows) + 1, self.in_features)
        torch.sub(rows, middle, out=spread[:-1]).div_(half)
        spread[-1] = 1  # the last row holds the ends of the range, so every batch is quantized alike
        spread[-1, 0] = -1
        out = torch.ops.quantized.linear_dynamic(spread, self._packed, True)[:-1]
        out = out.mul_(half).addcmul_(middle, self.sums).add_(self.bias)
        return out.view(*inputs.shape[:-1], self.out_features)


def _quantized(rows: Tensor, scale: Tensor) -> Tensor:
    zeros = torch.zeros(len(rows), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch announce that these tensors will go one day
        return torch.quantize_per_channel(rows, scale.double(), zeros, 0, torch.qint8)


def shared(module: Module) -> Module:
    """A copy of the structure around the same tensors, in evaluation mode."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors}).eval()


def replace_layers(module: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> int:
    """Put `replacement(layer)` in the place of every layer of `module` for which it gives one; how many."""
    replaced = 0
    for name, child in list(module.named_children()):
        new = replacement(child)
        if new is None:
            replaced += replace_layers(child, replacement)
        else:
            setattr(module, name, new)
            replaced += 1
    return replaced


def int8_layer(layer: Any) -> nn.Module | None:
    """A linear layer, or the transposed one of transformers' GPT-2, in 8 bits; None for any other, and
    for one that is too narrow."""
    if type(layer) is nn.Linear and layer.in_features >= NARROWEST:
        return Int8Linear(layer.weight, layer.bias)
    if type(layer).__name__ == "Conv1D" and len(layer.weight) >= NARROWEST:
        return Int8Linear(layer.weight.T, layer.bias)
    return None
