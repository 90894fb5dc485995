"""SD.Next: jobs have ids, devices has one device, the REST interface is always there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from clipcap_ext.webui.hosts.webui import WebuiHost, passwords


class SdNextHost(WebuiHost):
    """It has a Caption tab of its own, so ours says whose it is. Its pictures are made in Control, which its
    modern page calls Images; the tabs of old are there too, and hidden unless the user wants them."""

    name = "SD.Next"
    tab_title = "ClipCap Caption"
    galleries = ("control", "txt2img", "img2img", "extras", "gallery")
    beside_gallery = "_gallery"  # its page moves the buttons below a gallery elsewhere, one by one by name

    @property
    def modern(self) -> bool:
        """Whether its page is the modern one."""
        return self.setting("theme_type", "Modern") == "Modern"

    @property
    def send_targets(self) -> tuple[str, ...]:
        """Those a person can see."""
        hidden = self.modern and self.setting("uiux_hide_legacy", True)
        return ("control",) if hidden else ("control", "txt2img", "img2img")

    @property
    def target_titles(self) -> dict[str, str]:
        """As on the tabs."""
        if self.modern:
            return {"control": "Images"}
        return {"control": "Control", "txt2img": "Text", "img2img": "Image"}

    def prompt_id(self, target: str) -> str:
        """Each has its own."""
        return f"{target}_prompt"

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

    def admit(self, title: str) -> None:
        """Control leaves out the scripts of extensions that are not named on its list, and says so in the log
        alone."""
        import installer

        if title not in installer.control_extensions:
            installer.control_extensions.append(title)

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
