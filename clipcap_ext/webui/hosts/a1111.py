"""AUTOMATIC1111 1.6 to 1.10: a model lock beside the queue, and low-VRAM modes that can be told to step
aside."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from clipcap_ext.webui.hosts.webui import WebuiHost


class A1111Host(WebuiHost):
    """While A1111 builds its checkpoint it replaces torch.nn's classes everywhere, in a thread of its own."""

    name = "AUTOMATIC1111"

    def make_room(self) -> None:
        """Send the part of the checkpoint that --lowvram or --medvram has on the card to the CPU."""
        from modules import lowvram

        lowvram.send_everything_to_cpu()
        self._collect()

    def _model_lock(self) -> AbstractContextManager[Any]:
        from modules import sd_models

        return getattr(sd_models.model_data, "lock", nullcontext())
