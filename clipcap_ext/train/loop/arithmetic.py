"""In which numbers a training step multiplies, as far as the device has them; it holds no weights."""

from __future__ import annotations

import torch

from clipcap_ext.engine.precision.processor import quick_in_bf16
from clipcap_ext.errors import UsageError

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMPERE = 8  # the first generation of NVIDIA's cards that multiplies in bfloat16
INSTEAD = (
    "precision=bf16: this {} has no arithmetic for it that is faster than float32; the steps are made in "
    "float32."
)


def step_type(precision: str, device: torch.device) -> torch.dtype | None:
    """What autocast is to take on the device; None is float32 throughout, which is also what stands for bf16
    where that is no faster. UsageError for fp16 without a GPU."""
    if precision == "fp16" and device.type != "cuda":
        raise UsageError(f"precision=fp16 needs a GPU, here is {device.type}: take bf16 or fp32.")
    return None if slower_than_float32(precision, device) else HALVES.get(precision)


def slower_than_float32(precision: str, device: torch.device) -> str:
    """What is to be said where bf16 was asked for and is no faster on the device, nothing elsewhere."""
    if precision != "bf16":
        return ""
    if device.type == "cpu":
        return "" if quick_in_bf16() else INSTEAD.format("processor")
    if device.type == "cuda" and torch.version.cuda and torch.cuda.get_device_capability(device)[0] < AMPERE:
        return INSTEAD.format("card")
    return ""
