"""reForge: A1111's model lock together with Forge's older memory manager."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from clipcap_ext.webui.hosts.forge import ManagedHost


class ReforgeHost(ManagedHost):
    """See forge.py and a1111.py: it has both."""

    name = "reForge"

    def manager(self) -> Any:
        """The manager in ldm_patched."""
        from ldm_patched.modules import model_management

        return model_management

    def _model_lock(self) -> AbstractContextManager[Any]:
        from modules import sd_models

        return getattr(sd_models.model_data, "lock", nullcontext())
