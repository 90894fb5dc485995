"""The programs that can hold the Caption tab, one file a family; the only importer of `modules`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from clipcap_ext.service.host import Host


@dataclass(frozen=True)
class Family:
    """A family of programs: the modules of which any one tells it, and what makes its Host."""

    told_by: tuple[str, ...]
    make: Callable[[], Host]


def _sdnext() -> Host:
    from clipcap_ext.webui.hosts.sdnext import SdNextHost

    return SdNextHost()


def _forge() -> Host:
    from clipcap_ext.webui.hosts.forge import ForgeHost

    return ForgeHost()


def _reforge() -> Host:
    from clipcap_ext.webui.hosts.reforge import ReforgeHost

    return ReforgeHost()


def _a1111() -> Host:
    from clipcap_ext.webui.hosts.a1111 import A1111Host

    return A1111Host()


# In the order in which they are asked: all but the last have what tells the last, too.
FAMILIES = (
    Family(("modules.modeldata", "modules.scripts_manager"), _sdnext),
    Family(("backend.memory_management",), _forge),
    Family(("ldm_patched.modules.model_management",), _reforge),
    Family(("modules.shared",), _a1111),
)


def find_host() -> Host:
    """The program that runs us, told by what it has imported by now; standalone where there is none."""
    loaded = sys.modules
    if "modules.shared" in loaded:
        for family in FAMILIES:
            if any(name in loaded for name in family.told_by):
                return family.make()
    from clipcap_ext.service.standalone import StandaloneHost

    return StandaloneHost()
