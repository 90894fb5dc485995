"""Starts the worker process, watches it and ends it; says how far a file is. It knows no models."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.errors import Cancelled
from clipcap_ext.hub.listing import Listing, RemoteFile

POLL = 0.1  # seconds between looks at a running worker
PACE = 5.0  # seconds over which the rate is taken
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
MODULE = "clipcap_ext.hub.worker"


@dataclass(frozen=True)
class Progress:
    """How far the file that is being fetched is. Sizes in bytes; seconds_left is None before there is a
    pace."""

    file: str
    done: int
    total: int
    rate: float = 0.0
    seconds_left: float | None = None


OnProgress = Callable[[Progress], None]


class HubFailure(Exception):
    """What the worker says went wrong, before it is put into words. kind: offline, http, disk, network."""

    def __init__(self, failure: dict[str, Any]) -> None:
        super().__init__(failure["text"])
        self.kind: str = failure.get("kind", "network")
        self.status: int = failure.get("status", 0)
        self.wait: str = failure.get("wait", "")
        self.gated: bool = failure.get("gated", False)
        self.errno: int = failure.get("errno", 0)


@dataclass
class HubClient:
    """Asks the Hub. `cancel` may be set from any thread and ends what runs; `on_progress` is told a few times
    a second.

    One worker serves all requests; `close` (or leaving the `with` block) ends it. HF_ENDPOINT, HF_TOKEN,
    HF_HUB_OFFLINE, proxies and timeouts are huggingface_hub's own business.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    on_progress: OnProgress | None = None
    _worker: _Worker | None = None

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def listing(self, repo: str, revision: str) -> Listing:
        """The repository at `revision`; HubFailure or Cancelled."""
        return Listing.of(repo, self._ask({"do": "list", "repo": repo, "revision": revision}))

    def fetch(self, repo: str, commit: str, file: RemoteFile, part: Path) -> None:
        """Bring `part` to the file's size, going on with what is there; HubFailure or Cancelled."""
        watch = _Watch(file, part, self.on_progress)
        request = {"do": "fetch", "repo": repo, "commit": commit, "path": file.path, "size": file.size}
        self._ask({**request, "part": str(part)}, watch.look)
        watch.look()

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def stop_if_cancelled(self) -> None:
        """Raise Cancelled once somebody asked for it."""
        if self.cancel.is_set():
            raise Cancelled("Stopped. What has arrived is kept: the next download goes on from there.")

    def _ask(self, request: dict[str, Any], look: Callable[[], None] = lambda: None) -> dict[str, Any]:
        self.stop_if_cancelled()
        self._worker = self._worker or _Worker()
        try:
            self._worker.request(request)
            while (answer := self._worker.answer(POLL)) is None:
                self.stop_if_cancelled()
                look()
        except BaseException:
            self.close()
            raise
        if "error" in answer:
            raise HubFailure(answer["error"])
        return answer


class _Worker:
    """The process, its requests and its answers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=environment(), cwd=PACKAGE_ROOT,
        )  # fmt: skip
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def request(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died: the reader says so

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The next answer, None if there is none within that time."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._answers.put(json.loads(line))
        self._answers.put({"error": {"text": "the process that downloads has ended without an answer"}})


def environment() -> dict[str, str]:
    """The worker's: ours, with this package on the path and no telemetry."""
    paths = [str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_DISABLE_TELEMETRY": "1"}


class _Watch:
    """Turns the size of a growing file into Progress."""

    def __init__(self, file: RemoteFile, part: Path, on_progress: OnProgress | None) -> None:
        self._file, self._part, self._tell = file, part, on_progress
        self._seen: list[tuple[float, int]] = []

    def look(self) -> None:
        if self._tell is None:
            return
        done = self._part.stat().st_size if self._part.exists() else 0
        now = time.monotonic()
        self._seen = [sample for sample in self._seen if now - sample[0] < PACE] + [(now, done)]
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        left = (self._file.size - done) / rate if rate > 0 else None
        self._tell(Progress(self._file.path, done, self._file.size, rate, left))
