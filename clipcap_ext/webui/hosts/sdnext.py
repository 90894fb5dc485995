"""SD.Next: jobs have ids, devices has one device, the REST interface is always there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from clipcap_ext.webui.hosts.webui import WebuiHost, passwords


class SdNextHost(WebuiHost):
    """It has a Caption tab of its own, so ours says whose it is."""

    name = "SD.Next"
    send_targets = ("txt2img", "img2img")
    tab_title = "ClipCap Caption"

    @property
    def serves_api(self) -> bool:
        """There is no flag for it."""
        return True

    @property
    def api_credentials(self) -> dict[str, str]:
        """Of --auth, and of --auth-file with one user a line; quotes are the host's habit. OSError for a lost
        file."""
        pairs = (self.flag("auth") or "").split(",")
        if self.flag("auth_file"):
            pairs += Path(self.flag("auth_file")).read_text(encoding="utf-8").splitlines()
        return passwords(pair.replace('"', "").strip() for pair in pairs)

    def report(self, message: str, exc_info: bool = True) -> None:
        """Its errors module shows exceptions only; lines go to its log."""
        from modules.logger import log

        log.error(f"ClipCap: {message}", exc_info=exc_info)

    def _host_device(self) -> Any:
        from modules import devices

        return devices.device

    def _model_lock(self) -> AbstractContextManager[Any]:
        from modules import modeldata

        return modeldata.model_data.lock

    def _end(self, token: Any) -> None:
        from modules import shared

        shared.state.end(token)
