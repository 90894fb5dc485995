"""Linear layers with bfloat16 weights, made from trained ones: for a processor that has instructions for
them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

KEPT = {"weight": torch.bfloat16}


class Bf16Linear(nn.Module):
    """A trained linear layer in bfloat16: (..., in) -> (..., out), float32 outside. For reading only."""

    weight: Tensor
    bias: Tensor | None
    int8_original_dtype = torch.float32  # see int8.py

    def __init__(self, rounded: Mapping[str, Tensor], bias: Tensor | None) -> None:
        """rounded: as `rounded_bf16` gives it; bias (out,)."""
        super().__init__()
        self.register_buffer("weight", rounded["weight"])
        self.register_buffer("bias", None if bias is None else bias.detach().bfloat16())

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (..., in) -> (..., out)."""
        return functional.linear(inputs.bfloat16(), self.weight, self.bias).float()


def rounded_bf16(weight: Tensor) -> dict[str, Tensor]:
    """A trained weight (out, in) in bfloat16."""
    return {"weight": weight.detach().bfloat16().contiguous()}
