"""Linear layers with 8-bit weights for a CPU, made from trained ones; nothing is calibrated or trained.

Each row of what comes in is rounded by its own numbers, so what a row gives does not depend on the rows
beside it, as it would with torch's own dynamic layer, which spreads a whole batch at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import torch
from torch import Tensor, nn

from clipcap_ext.engine.precision.processor import quick_in_int8

ENGINES = ("fbgemm", "x86")  # both are FBGEMM where rows are few; the former is in every torch since 1.3
LEVELS = 127  # a weight is a whole number from -127 to 127 times its row's scale
LARGEST = torch.full((64, 64), LEVELS, dtype=torch.int8)  # numbers to try an arithmetic with
PRODUCTS_OF_FEW = "linear_with_input_q_dq_qweight_dq_output_fp32"
FEW = 6  # rows up to which they are quicker; one alone gains nothing by a second copy of the weights
ZERO = 128  # what its numbers from 0 to 255 have for 0
SMALLEST = 1e-20  # half of the span of a row whose numbers are all one
KEPT = {"weight": torch.int8, "scale": torch.float32, "sums": torch.float32}


def can_int8() -> bool:
    """Whether this torch and this processor have 8-bit layers that were written for it."""
    known = torch.backends.quantized.supported_engines
    return any(engine in known for engine in ENGINES) and hasattr(torch.ops.quantized, "linear_dynamic")


def multiplies_whole() -> bool:
    """Whether this torch multiplies 8-bit whole numbers by this processor's own instructions for them."""
    return quick_in_int8() and hasattr(torch, "_int_mm") and can_int8() and products_are_exact()


@cache
def products_are_exact() -> bool:
    """Whether the largest numbers come out right: code for older processors, which torch's library may have
    been told to take, adds them up in 16 bits."""
    return _come_out_right(lambda rows: torch._int_mm(rows, LARGEST.t()), (1, 5, 64))


@cache
def few_are_exact() -> bool:
    """The same of FBGEMM's products of whole numbers, which are quicker where rows are few."""
    if not hasattr(torch.ops.quantized, PRODUCTS_OF_FEW):
        return False
    packed = _packed(LARGEST, torch.ones(len(LARGEST)))
    return _come_out_right(lambda rows: _of_few(rows.float(), packed), range(1, FEW + 1))


def _come_out_right(products: Callable[[Tensor], Tensor], counts: Iterable[int]) -> bool:
    """Whether so many rows of the largest numbers, times the same, give what they must."""
    return all(bool((products(LARGEST[:rows]) == len(LARGEST) * LEVELS**2).all()) for rows in counts)


def _of_few(whole: Tensor, packed: torch.ScriptObject) -> Tensor:
    return getattr(torch.ops.quantized, PRODUCTS_OF_FEW)(whole, 1.0, ZERO, packed)


def int8_linear(rounded: Mapping[str, Tensor], bias: Tensor | None) -> nn.Module:
    """A trained linear layer in 8 bits: (..., in) -> (..., out), float32 outside; for a CPU and for reading
    only. rounded: as `rounded_int8` gives it; bias (out,)."""
    return (WholeLinear if multiplies_whole() else FbgemmLinear)(rounded, bias)


class Int8Linear(nn.Module):
    """What both kinds of such a layer do alike."""

    scale: Tensor
    bias: Tensor
    int8_original_dtype = torch.float32  # so named, open_clip reads what its text tower reckons in

    def __init__(self, rounded: Mapping[str, Tensor], bias: Tensor | None) -> None:
        """rounded: as `rounded_int8` gives it; bias (out,)."""
        super().__init__()
        self.out_features, self.in_features = rounded["weight"].shape
        scale = rounded["scale"]
        self.register_buffer("scale", scale)
        self.register_buffer("bias", torch.zeros_like(scale) if bias is None else bias.detach().float())

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (..., in) -> (..., out)."""
        rows = inputs.reshape(-1, self.in_features).float()
        return self.of_rows(rows).view(*inputs.shape[:-1], self.out_features)

    def of_rows(self, rows: Tensor) -> Tensor:
        """rows (N, in) -> (N, out)."""
        raise NotImplementedError


class WholeLinear(Int8Linear):
    """Whole numbers from -127 to 127 on both sides, each row by its own largest number; their products are
    exact, so a row gives the same whatever stands beside it."""

    weight: Tensor

    def __init__(self, rounded: Mapping[str, Tensor], bias: Tensor | None) -> None:
        """See Int8Linear."""
        super().__init__(rounded, bias)
        self.register_buffer("weight", rounded["weight"].t())  # (in, out), a view: in the order it is read
        self.scale = self.scale / LEVELS
        self._packed: torch.ScriptObject | None = None  # the weights once more, when few rows come

    def of_rows(self, rows: Tensor) -> Tensor:
        """See Int8Linear."""
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(SMALLEST)
        whole = torch.mul(rows, LEVELS / largest).round_()
        return self._products(whole).mul_(largest).add_(self.bias)

    def _products(self, whole: Tensor) -> Tensor:
        """Whole numbers (N, in), from -127 to 127 -> (N, out) of the scale of the weights; the same numbers
        either way."""
        if not 1 < len(whole) <= FEW or not few_are_exact():
            return torch._int_mm(whole.to(torch.int8), self.weight).float().mul_(self.scale)
        if self._packed is None:
            self._packed = _packed(self.weight.t(), self.scale)
        return _of_few(whole, self._packed)


class FbgemmLinear(Int8Linear):
    """FBGEMM's products, in which a row's numbers have 7 bits between its least and its greatest."""

    sums: Tensor

    def __init__(self, rounded: Mapping[str, Tensor], bias: Tensor | None) -> None:
        """See Int8Linear."""
        super().__init__(rounded, bias)
        self._packed = _packed(rounded["weight"], rounded["scale"])
        self.register_buffer("sums", rounded["sums"])

    def of_rows(self, rows: Tensor) -> Tensor:
        """See Int8Linear."""
        low, high = torch.aminmax(rows, dim=1, keepdim=True)
        half, middle = ((high - low) / 2).clamp_min_(SMALLEST), (high + low) / 2
        spread = rows.new_empty(len(rows) + 1, self.in_features)
        torch.sub(rows, middle, out=spread[:-1]).div_(half)
        spread[-1] = 1  # the last row holds the ends of the range, so every batch is quantized alike
        spread[-1, 0] = -1
        out = torch.ops.quantized.linear_dynamic(spread, self._packed, True)[:-1]
        return out.mul_(half).addcmul_(middle, self.sums).add_(self.bias)


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
