"""Work in a thread of its own, watched by a page: if the page goes away, no lock stays behind with it. No
interface."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

POLL = 0.15  # seconds


class Run:
    """One piece of work. The worker sets `stage`, `done`, `total` and appends to `results`; the page reads
    them."""

    def __init__(self, work: Callable[[Run], Any], total: int = 1) -> None:
        self.stage = "waiting"
        self.done = 0
        self.total = total
        self.results: list[Any] = []
        self.value: Any = None
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self._work = work
        self._start = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._thread = threading.Thread(target=self._run, name="clipcap", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the work is over, well or not."""
        return not self._thread.is_alive()

    def set_stage(self, stage: str) -> None:
        """Name what is being done: waiting, loading, captioning. It is stopping once it was asked to stop."""
        self.stage = "stopping" if self.stopping.is_set() else stage

    def stop(self) -> None:
        """Ask the work to end soon, by `stopping`, which it looks at; never waits."""
        self.stopping.set()
        self.stage = "stopping"

    def add(self, result: Any) -> None:
        """One more is done."""
        self.results.append(result)
        self.done += 1
        if self._first is None:
            self._first = (time.monotonic(), self.done)

    def watch(self, every: float = POLL) -> Iterator[None]:
        """Yield at once, then from time to time until the work has ended."""
        yield
        while self._thread.is_alive():
            self._thread.join(every)
            yield

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def seconds_left(self) -> float | None:
        """An estimate from the pace since the first result, None before there is a pace."""
        if self._first is None or self.done <= self._first[1]:
            return None
        since, before = self._first
        return (self.total - self.done) * (time.monotonic() - since) / (self.done - before)

    def _run(self) -> None:
        try:
            self.value = self._work(self)
        except BaseException as error:  # handed to the page, which says it in words
            self.error = error
