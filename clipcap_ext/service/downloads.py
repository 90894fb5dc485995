"""The one download that may run at a time, for whoever watches it; and what there is to fetch or to remove.
No page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.engine.catalog import is_ready, list_models, list_to_fetch
from clipcap_ext.engine.clip.sources import download_size, find_clip
from clipcap_ext.engine.folder_kinds import problem_to_fetch
from clipcap_ext.errors import UsageError
from clipcap_ext.hub.client import HubClient, Progress
from clipcap_ext.hub.download import Download
from clipcap_ext.hub.removal import Removal, is_downloaded, plan_removal
from clipcap_ext.service.runs import Run

if TYPE_CHECKING:
    from clipcap_ext.engine.checkpoint.config import EncoderConfig


class Downloads:
    """Fetches into one models folder. `progress` and `step` say how far the running one is."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.progress: Progress | None = None
        self.step = ""
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._name = ""
        self._cancel = threading.Event()
        self._askers: set[object] = set()

    @property
    def running(self) -> Run | None:
        """The download that is going on, None if there is none."""
        return self._run

    def start(self, name: str, asker: object = None) -> Run:
        """Begin, or join the one that fetches it already, for `asker`; UsageError while something else is
        fetched.

        The run's error is a CaptionError, Cancelled if it was stopped.
        """
        with self._lock:
            if self._run is not None and self._name == name:
                self._askers.add(asker)
                return self._run
            if self._run is not None:
                raise UsageError(
                    f"{self._name} is being downloaded. Wait for it, or cancel it in the Models pane."
                )
            self._name, self._askers = name, {asker}
            self._cancel, self.progress, self.step = threading.Event(), None, ""
            self._run = Run(lambda run: self._work(name))
            return self._run

    def cancel(self) -> None:
        """Ask the running download to stop, whoever asked for it; what has arrived is kept."""
        self._cancel.set()

    def leave(self, asker: object) -> None:
        """`asker` does not want it any more: it stops unless somebody else does."""
        with self._lock:
            if asker in self._askers:
                self._askers.discard(asker)
                if not self._askers:
                    self._cancel.set()

    def goes_on_without(self, asker: object) -> bool:
        """Whether `asker` has left it, and somebody else still wants it."""
        return bool(self._askers) and asker not in self._askers

    def told(self, asker: object = None) -> tuple[object, ...]:
        """What a page shows of the running one, to tell when it has to be shown anew."""
        return self.step, self.progress, self.goes_on_without(asker)

    def fetchable(self) -> list[tuple[str, int]]:
        """(name, bytes about) of what can be downloaded: models, and the CLIPs that models here lack."""
        known = list_to_fetch(folders=[self.models_dir])
        models = [model for model in known if model.repo and not problem_to_fetch(model)]
        sizes = [(model.name, model.size + self._clip_size(model.encoder)) for model in models]
        for entry in list_models(folders=[self.models_dir]):
            if entry.config is None or entry.problem:
                continue
            encoder = entry.config.encoder
            if encoder is not None and encoder.pretrained and not is_ready(entry, folders=[self.models_dir]):
                sizes.append((entry.name, self._clip_size(encoder)))
        return sizes

    def removable(self) -> list[str]:
        """The models that were downloaded."""
        entries = list_models(folders=[self.models_dir])
        return [entry.name for entry in entries if is_downloaded(entry, self.models_dir)]

    def removal(self, name: str) -> Removal:
        """What would go with a downloaded model; CheckpointError, with what to do, for any other."""
        return plan_removal(name, self.models_dir)

    def _clip_size(self, encoder: EncoderConfig | None) -> int:
        if encoder is None or find_clip(encoder, folders=[self.models_dir]) is not None:
            return 0
        return download_size(encoder)

    def _work(self, name: str) -> Path:
        try:
            with HubClient(self._cancel, self._see) as client:
                return Download(self.models_dir, client, self._say)(name)
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:  # `start` holds it until the run has its place
            self._run = None

    def _see(self, progress: Progress) -> None:
        self.progress = progress

    def _say(self, text: str) -> None:
        self.progress, self.step = None, text
