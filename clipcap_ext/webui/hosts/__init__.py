"""The programs that can hold the Caption tab, one file a family; the only importer of `modules`."""

from __future__ import annotations

import sys

from clipcap_ext.service.host import Host


def find_host() -> Host:
    """The program that runs us, told by what it has imported by now; standalone where there is none."""
    loaded = sys.modules
    if "modules.shared" not in loaded:
        from clipcap_ext.service.standalone import StandaloneHost

        return StandaloneHost()
    if "modules.modeldata" in loaded or "modules.scripts_manager" in loaded:
        from clipcap_ext.webui.hosts.sdnext import SdNextHost

        return SdNextHost()
    if "backend.memory_management" in loaded:
        from clipcap_ext.webui.hosts.forge import ForgeHost

        return ForgeHost()
    if "ldm_patched.modules.model_management" in loaded:
        from clipcap_ext.webui.hosts.reforge import ReforgeHost

        return ReforgeHost()
    from clipcap_ext.webui.hosts.a1111 import A1111Host

    return A1111Host()
