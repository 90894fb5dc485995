"""What this machine's processor reckons quickly in, as far as the system or torch tells; nothing is
reckoned here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch

CPUINFO = Path("/proc/cpuinfo")
INT8 = frozenset({"avx512_vnni", "amx_int8"})  # products of whole numbers, four in one step
BF16 = frozenset({"avx512_bf16", "amx_bf16"})


def quick_in_int8() -> bool:
    """Whether 8 bits are several times as fast as float32, so that even a draft in them pays."""
    return bool(INT8 & instructions())


def quick_in_bf16() -> bool:
    """Whether it has instructions for bfloat16; without them torch only imitates it, slowly."""
    return bool(BF16 & instructions())


@cache
def instructions() -> frozenset[str]:
    """What it can do, in the system's words; nothing where neither the system nor torch says."""
    told = _of_linux() or {name for name, has in _of_torch().items() if has is True}
    return frozenset(told)


def capability() -> str:
    """Which of its own code torch runs here: AVX2, AVX512, NEON, ..."""
    known = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return str(known()) if known is not None else ""


def _of_linux() -> set[str]:
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), set())


def _of_torch() -> dict[str, Any]:
    known = getattr(torch.cpu, "get_capabilities", None)
    return dict(known()) if known is not None else {}
