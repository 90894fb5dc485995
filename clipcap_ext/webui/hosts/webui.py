"""What the WebUI families share: flags, folders, settings, queue and state; their own files say where they
differ.

`modules` is imported inside the functions: these classes can be made, and tested, wherever a `modules` can be
found.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.errors import UsageError
from clipcap_ext.service.host import MODELS_FOLDER, SEND_TARGETS

if TYPE_CHECKING:
    import torch

    from clipcap_ext.captioning import Captioner
    from clipcap_ext.webui.rest_guard import Access

PUBLIC = ("listen", "share", "ngrok", "server_name", "webui_is_non_local")  # flags that serve other machines


class HostJob:
    """A Job (see service/host.py) over the host's `shared.state`; a `guest` only looks at a state that is not
    ours."""

    def __init__(self, state: Any, guest: bool) -> None:
        self._state = state
        self._guest = guest

    def step(self, text: str = "") -> None:
        """One part is done."""
        if not self._guest:
            self._state.textinfo = text
            self._state.nextjob()

    @property
    def stopped(self) -> bool:
        """The host's Interrupt, at once or after the current image."""
        return bool(self._state.interrupted or getattr(self._state, "stopping_generation", False))


def passwords(pairs: Iterable[str]) -> dict[str, str]:
    """Passwords by user of `user:password` texts, blank ones left out.

    Raises UsageError for one without a colon: a slip of the pen must neither open the door nor make an empty
    key.
    """
    by_user = {}
    for pair in pairs:
        user, colon, password = pair.partition(":")
        if colon:
            by_user[user.strip()] = password
        elif user.strip():
            raise UsageError("Users and passwords are written user:password; one of them has no colon.")
    return by_user


class WebuiHost:
    """A Host (see service/host.py) for programs that descend from AUTOMATIC1111's."""

    name = ""
    tab_title = "Caption"
    galleries: tuple[str, ...] = ("txt2img", "img2img", "extras")
    beside_gallery = "_send_to_extras"  # how the name ends of what a gallery's button is made after

    def __init__(self) -> None:
        self._thread = threading.local()
        self._job_runs = False

    def flag(self, name: str, default: Any = None) -> Any:
        """A command-line flag of the host, or one of preload.py's."""
        from modules import shared

        return getattr(shared.cmd_opts, name, default)

    def setting(self, key: str, default: Any) -> Any:
        """A value of the settings page."""
        from modules import shared

        return getattr(shared.opts, key, default)

    @property
    def send_targets(self) -> tuple[str, ...]:
        """Those a person can see."""
        return SEND_TARGETS

    @property
    def target_titles(self) -> dict[str, str]:
        """What the page calls those that it calls otherwise."""
        return {}

    def prompt_id(self, target: str) -> str:
        """The name of a target's prompt box; img2img and inpaint share one."""
        return "txt2img_prompt" if target == "txt2img" else "img2img_prompt"

    @property
    def models_dir(self) -> Path:
        """--clipcap-models-dir, else ClipCap in the host's models folder (which honours --data-dir)."""
        named = self.flag("clipcap_models_dir")
        if named:
            return Path(named).expanduser().absolute()
        from modules import paths

        return Path(paths.models_path).absolute() / MODELS_FOLDER

    @property
    def directories_allowed(self) -> bool:
        """Not under --hide-ui-dir-config."""
        return not self.flag("hide_ui_dir_config", False)

    @property
    def shows_folders(self) -> bool:
        """Where folders may be named, and only this machine is served."""
        return self.directories_allowed and not any(self.flag(name) for name in PUBLIC)

    @property
    def serves_api(self) -> bool:
        """Whether the host offers its own REST routes."""
        return bool(self.flag("api", False) or self.flag("nowebui", False))

    @property
    def api_credentials(self) -> dict[str, str]:
        """Passwords by user of --api-auth (`user:password,user:password`); empty without it."""
        return passwords((self.flag("api_auth") or "").split(","))

    @property
    def api_access(self) -> Access:
        """Who may ask our routes: as the host's own API was told."""
        from clipcap_ext.webui.rest_guard import Access

        origins = tuple(filter(None, (self.flag("cors_allow_origins") or "").split(",")))
        public = any(self.flag(name) for name in PUBLIC)
        return Access(self.api_credentials, origins, public or bool(self.flag("cors_allow_origins_regex")))

    @property
    def tab_hidden(self) -> bool:
        """Whether the user hides our tab in the settings."""
        return self.tab_title in (self.setting("hidden_tabs", None) or ())

    def admit(self, title: str) -> None:
        """Nothing to ask for on a host that gives every script its place."""

    def device(self) -> torch.device:
        """--clipcap-device, else the host's choice for interrogation."""
        import torch

        named = self.flag("clipcap_device")
        if not named:
            return torch.device(self._host_device())
        try:
            device = torch.device(named)
        except RuntimeError as error:
            raise UsageError(f"--clipcap-device {named}: torch knows no such device ({error}).") from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise UsageError(f"--clipcap-device {named}: torch {torch.__version__} sees no CUDA device here.")
        return device

    def dtype(self, device: torch.device) -> torch.dtype:
        """float16 on CUDA, float32 elsewhere and under the host's flags against half precision."""
        import torch

        full = self.flag("no_half", False) or self.flag("all_in_fp32", False)
        return torch.float16 if device.type == "cuda" and not full else torch.float32

    @contextmanager
    def within_queue(self) -> Iterator[None]:
        """Code below is called from inside the host's queue, so the queue's lock must not be asked for."""
        depth = getattr(self._thread, "depth", 0)
        self._thread.depth = depth + 1
        try:
            yield
        finally:
            self._thread.depth = depth

    @contextmanager
    def job(self, title: str, total: int) -> Iterator[HostJob]:
        """The host's queue and its state, unless this thread is already inside them."""
        from modules import call_queue, shared

        if self._inside():  # the queue's lock is not reentrant: asking again would wait for ourselves
            yield HostJob(shared.state, guest=True)
            return
        with call_queue.queue_lock:
            self._job_runs = True  # true for whichever thread goes on with this job: gradio changes threads
            token = shared.state.begin(title)
            shared.state.job_count = total
            try:
                yield HostJob(shared.state, guest=False)
            finally:
                self._end(token)
                shared.state.interrupted = False
                self._job_runs = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The queue's lock, where we do not hold it yet, and then the lock under which the host builds its
        model."""
        from modules import call_queue

        # In the order in which the host takes them itself: a request holds the queue when it builds a model.
        queue = nullcontext() if self._inside() or self._job_runs else call_queue.queue_lock
        with queue, self._model_lock():
            yield

    def make_room(self) -> None:
        """Nothing to move on a host that does not say how."""

    def before_caption(self, captioner: Captioner) -> None:
        """Back to the device, with room made first."""
        device = self.device()
        if captioner.encoder.device.type != device.type:
            self.make_room()
            captioner.to(device)

    def after_caption(self, captioner: Captioner) -> bool:
        """keep: leave it there; ram: to the CPU's memory; free: let go."""
        mode = self.setting("clipcap_memory", "ram")
        if mode == "ram" and captioner.encoder.device.type != "cpu":
            captioner.to("cpu")
            self._collect()
        return mode == "free"

    def report(self, message: str, exc_info: bool = True) -> None:
        """Into the host's log, and its record of errors."""
        from modules import errors

        errors.report(f"ClipCap: {message}", exc_info=exc_info)

    def _host_device(self) -> Any:
        from modules import devices

        return devices.get_device_for("interrogate")

    def _model_lock(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def _collect(self) -> None:
        from modules import devices

        devices.torch_gc()

    def _end(self, token: Any) -> None:
        from modules import shared

        shared.state.end()

    def _inside(self) -> bool:
        return getattr(self._thread, "depth", 0) > 0
