"""What this machine's processor reckons quickly in, as far as the system or torch tells; nothing is
reckoned here."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch

CPUINFO = Path("/proc/cpuinfo")
INTEL = "GenuineIntel"
INT8 = frozenset({"avx512_vnni", "amx_int8"})  # products of whole numbers, four in one step


def quick_in_int8() -> bool:
    """Whether 8 bits are several times as fast as float32, so that even a draft in them pays."""
    return bool(INT8 & instructions())


def quick_in_bf16() -> bool:
    """Whether it multiplies in bfloat16 sooner than in float32: with AMX, or with AVX512-BF16 that is not
    Intel's, which takes 1.6 to 1.8 times as long (measured on Sapphire Rapids); others only imitate it."""
    found = instructions()
    return "amx_bf16" in found or ("avx512_bf16" in found and INTEL not in maker())


@cache
def instructions() -> frozenset[str]:
    """What it can do, in the system's words; nothing where neither the system nor torch says."""
    told = set(_of_linux("flags").split()) or {name for name, has in _of_torch().items() if has is True}
    return frozenset(told)


@cache
def maker() -> str:
    """Who made it, in the system's words, with INTEL in them for Intel."""
    return _of_linux("vendor_id") or platform.processor()


def capability() -> str:
    """Which of its own code torch runs here: AVX2, AVX512, NEON, ..."""
    known = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return str(known()) if known is not None else ""


def _of_linux(field: str) -> str:
    """What Linux says of the first processor under that name; nothing where it says nothing."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1] for line in lines if line.startswith(field)), "")


def _of_torch() -> dict[str, Any]:
    known = getattr(torch.cpu, "get_capabilities", None)
    return dict(known()) if known is not None else {}
