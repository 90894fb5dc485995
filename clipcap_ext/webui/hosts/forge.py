"""Forge and its descendants with a `backend` package: it keeps count of memory and makes room when asked."""

from __future__ import annotations

from typing import Any

from clipcap_ext.webui.hosts.webui import WebuiHost

ROOM = 2 * 1024**3  # bytes; ViT-L/14 and GPT-2 in float16 with their work space


class ManagedHost(WebuiHost):
    """A host with a memory manager (Forge's, or the one reForge keeps)."""

    def manager(self) -> Any:
        """The module that owns the accelerator's memory."""
        raise NotImplementedError

    def make_room(self) -> None:
        """Have checkpoints moved out until ROOM bytes are free."""
        manager = self.manager()
        device = self.device()
        if device.type != "cpu":
            manager.free_memory(ROOM, device)
            manager.soft_empty_cache()

    def _host_device(self) -> Any:
        return self.manager().get_torch_device()  # --always-cpu is answered there


class ForgeHost(ManagedHost):
    """Forge builds checkpoints in its main thread while a request holds the queue: the queue's lock is
    enough."""

    name = "Forge"

    def manager(self) -> Any:
        """Forge's own."""
        from backend import memory_management

        return memory_management
