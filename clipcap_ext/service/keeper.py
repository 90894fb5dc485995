"""Keeps at most one captioner in memory: brings it there, moves it and frees it as the host wishes; it
captions nothing and imports no torch."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.service.judging import Judge

if TYPE_CHECKING:
    import torch

    from clipcap_ext.service.host import Host

DTYPE_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Loaded:
    """What is in memory, and what was asked for when it was loaded."""

    name: str
    captioner: Captioner
    device: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        """`torch.float16` -> `fp16`, as artists say it."""
        name = str(self.dtype).removeprefix("torch.")
        return DTYPE_NAMES.get(name, name)

    def numbers(self, options: DecodingOptions | None) -> str:
        """What captions asked for so are reckoned in: `fp32`; `int8`, `bf16`, or why not."""
        chosen = options or self.captioner.default_options
        if chosen.precision != "fast" or self.device.type == "cuda":
            return self.dtype_name
        quick = self.captioner.quick_numbers(chosen) if self.device.type == "cpu" else ""
        return quick or f"{self.dtype_name} ({self._why_slow()})"

    def _why_slow(self) -> str:
        """Why `fast` is as slow as exact."""
        if self.device.type != "cpu":
            return f"nothing faster on {self.device.type}"
        from clipcap_ext.engine.precision.quick import quick_here

        quick = quick_here()
        return "no int8 or bf16 here" if quick is None else f"too small for {quick.name}"


class Keeper:
    """The one captioner of a service; whoever calls `bring`, `rest` or `free` holds the service's lock."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.loaded: Loaded | None = None
        self.judge = Judge(host)

    def bring(self, model: str, before_loading: Callable[[], None]) -> Loaded:
        """The captioner of that name on the host's device, from memory or from disk; CheckpointError,
        ModelNotFound."""
        device = self.host.device()
        dtype = self.host.dtype(device)
        loaded = self.loaded
        if loaded is None or (loaded.name, loaded.device, loaded.dtype) != (model, device, dtype):
            before_loading()
            self.free()
            self.host.make_room()
            with self.host.loading():
                captioner = load_captioner(model, device, dtype, folders=[self.host.models_dir])
            loaded = self.loaded = Loaded(model, captioner, device, dtype)
        self.host.before_caption(loaded.captioner)
        return loaded

    def rest(self) -> None:
        """A job is over: what is in memory stays, moves or goes, as the host's memory mode says."""
        self.judge.rest()
        if self.loaded is not None and self.host.after_caption(self.loaded.captioner):
            self.free()

    def free(self) -> None:
        """Let go of it, and give the accelerator's memory back."""
        self.loaded = None
        self.judge.free()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def status(self, options: DecodingOptions | None = None) -> str:
        """One line: the model in memory, its device, what it reckons in for such options, and its size."""
        loaded = self.loaded
        if loaded is None:
            return "No model in memory."
        numbers = loaded.dtype_name if options is None else loaded.numbers(options)
        megabytes = _weight_bytes(loaded.captioner) / 1e6
        return f"{loaded.name} · {loaded.device} · {numbers} · {megabytes:.0f} MB"


def _weight_bytes(captioner: Any) -> int:
    """Bytes of every torch module a captioner holds, itself or one level down, and of what is none and says
    so, as a tagger's model."""
    import torch

    parts = [*vars(captioner).values()]
    parts += [inner for part in parts if hasattr(part, "__dict__") for inner in vars(part).values()]
    modules = {id(part): part for part in parts if isinstance(part, torch.nn.Module)}
    sizes = {
        tensor.data_ptr(): tensor.numel() * tensor.element_size()
        for module in modules.values()
        for tensor in module.parameters()
    }
    return sum(sizes.values()) + sum(getattr(part, "weight_bytes", 0) for part in parts)
