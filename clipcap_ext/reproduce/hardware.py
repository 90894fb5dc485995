"""What a figure of hours was measured on: the CPU's model and cores, the GPU if there is one; no host's
name."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def hardware() -> str:
    """Such as `Intel(R) Xeon(R) Processor, 2 cores`."""
    import torch

    cores = _cores()
    parts = [f"{_cpu()}, {cores} core{'s' if cores > 1 else ''}"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name(0))
    return "; ".join(parts)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
