"""Linear layers with 8-bit weights for a CPU, made from trained ones; nothing is calibrated or trained.

Each row of what comes in is spread over 7 bits by its own least and greatest number, so what a row gives does
not depend on the rows beside it, as it would with torch's own dynamic layer, which spreads a whole batch at
once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn

ENGINES = ("fbgemm", "x86")  # both are FBGEMM where rows are few; the former is in every torch since 1.3
LEVELS = 127  # a weight is a whole number from -127 to 127 times its row's scale
SMALLEST = 1e-20  # half of the span of a row whose numbers are all one
KEPT = {"weight": torch.int8, "scale": torch.float32, "sums": torch.float32}


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

    def __init__(self, rounded: Mapping[str, Tensor], bias: Tensor | None) -> None:
        """rounded: as `rounded_int8` gives it; bias (out,)."""
        super().__init__()
        self.out_features, self.in_features = rounded["weight"].shape
        scale = rounded["scale"]
        self._packed = _packed(rounded["weight"], scale)
        self.register_buffer("scale", scale, persistent=True)
        self.register_buffer("sums", rounded["sums"])
        self.register_buffer("bias", torch.zeros_like(scale) if bias is None else bias.detach().float())

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


def rounded_int8(weight: Tensor) -> dict[str, Tensor]:
    """A trained weight (out, in) as whole numbers (out, in), each row's scale (out,) and the sums of its
    rounded weights (out,)."""
    rows = weight.detach().float().contiguous()
    scale = rows.abs().amax(1).clamp_min(SMALLEST) / LEVELS
    zeros = torch.zeros(len(rows), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch announce that these tensors will go one day
        quantized = torch.quantize_per_channel(rows, scale.double(), zeros, 0, torch.qint8)
    return {"weight": quantized.int_repr(), "scale": scale, "sums": quantized.dequantize().sum(1)}


def _packed(whole: Tensor, scale: Tensor) -> torch.ScriptObject:
    """Whole numbers (out, in) and their rows' scales as torch's own layer wants them."""
    zeros = torch.zeros(len(whole), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        quantized = torch._make_per_channel_quantized_tensor(whole, scale.double(), zeros, 0)
    return torch.ops.quantized.linear_prepack(quantized, None)
