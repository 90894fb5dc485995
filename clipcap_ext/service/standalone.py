"""No WebUI around us: torch's own best device, a queue of our own, settings from whoever starts the tab."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.engine.checkpoint.places import default_models_dir
from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    import torch

    from clipcap_ext.captioning import Captioner

LOG = logging.getLogger(__name__)


class StandaloneJob:
    """A Job nobody else watches or stops."""

    stopped = False

    def step(self, text: str = "") -> None:
        """Nothing to move on."""


class StandaloneHost:
    """A Host (see host.py) for `python -m clipcap_ext ui` and for tests."""

    name = "standalone"
    send_targets: tuple[str, ...] = ()
    directories_allowed = True

    def __init__(
        self, models_dir: Path | None = None, device: str = "", settings: Mapping[str, Any] | None = None,
        shows_folders: bool = True,
    ) -> None:  # fmt: skip
        self.models_dir = models_dir or default_models_dir()
        self.shows_folders = shows_folders
        self._device = device
        self._settings = dict(settings or {})
        self._queue = threading.Lock()

    def device(self) -> torch.device:
        """The one asked for, else CUDA, MPS or the CPU."""
        import torch

        mps = torch.backends.mps.is_available()
        best = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
        try:
            return torch.device(self._device or best)
        except RuntimeError as error:
            raise UsageError(f"Device {self._device}: torch knows no such device ({error}).") from error

    def dtype(self, device: torch.device) -> torch.dtype:
        """float16 on CUDA, float32 elsewhere."""
        import torch

        return torch.float16 if device.type == "cuda" else torch.float32

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Nobody else builds models here."""
        yield

    @contextmanager
    def within_queue(self) -> Iterator[None]:
        """There is no queue to be inside of."""
        yield

    @contextmanager
    def job(self, title: str, total: int) -> Iterator[StandaloneJob]:
        """One piece of work at a time."""
        with self._queue:
            yield StandaloneJob()

    def make_room(self) -> None:
        """Nobody else holds memory here."""

    def before_caption(self, captioner: Captioner) -> None:
        """It never left."""

    def after_caption(self, captioner: Captioner) -> bool:
        """Keep it, unless the settings say free."""
        return self.setting("clipcap_memory", "keep") == "free"

    def setting(self, key: str, default: Any) -> Any:
        """What the starter gave."""
        return self._settings.get(key, default)

    def report(self, message: str, exc_info: bool = True) -> None:
        """Into the log."""
        LOG.error(message, exc_info=exc_info)
