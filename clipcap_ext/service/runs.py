"""Work in a thread of its own, watched by a page: if the page goes away, no lock stays behind with it. No
interface."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic
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
        self._start = monotonic()
        self._begun: float | None = None  # captioning, after waiting and loading
        self._last = (self._start, 0)
        self._thread = threading.Thread(target=self._run, name="clipcap", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the work is over, well or not."""
        return not self._thread.is_alive()

    def set_stage(self, stage: str) -> None:
        """Name what is being done: waiting, loading, captioning. It is stopping once it was asked to stop."""
        if stage == "captioning" and self._begun is None:
            self._begun = monotonic()
        self.stage = "stopping" if self.stopping.is_set() else stage

    def stop(self) -> None:
        """Ask the work to end soon, by `stopping`, which it looks at; never waits."""
        self.stopping.set()
        self.stage = "stopping"

    def add(self, result: Any) -> None:
        """One more is done."""
        self.results.append(result)
        self.done += 1
        self._last = (monotonic(), self.done)

    def watch(self, also: Callable[[], object] = lambda: None, every: float = POLL) -> Iterator[None]:
        """Yield at once, then whenever what a page tells of the run has changed (stage, how much is done, the
        whole seconds) or `also()` has, and once the work has ended.

        Every yield is an answer that the page waits for and draws: a quiet run must not keep it busy.
        """
        yield
        told = self._told(also)
        while self._thread.is_alive():
            self._thread.join(every)
            before, told = told, self._told(also)
            if told != before or not self._thread.is_alive():
                yield

    def seconds(self) -> float:
        """Since the start."""
        return monotonic() - self._start

    def seconds_left(self) -> float | None:
        """An estimate from the pace of the results so far, None before there are any.

        Results come in bursts: between them it counts down as a clock does.
        """
        now, done = self._last
        if not done:
            return None
        pace = (now - (self._begun or self._start)) / done
        return max(0.0, (self.total - done) * pace - (monotonic() - now))

    def _told(self, also: Callable[[], object]) -> tuple[object, ...]:
        return self.stage, self.done, self.total, int(self.seconds()), also()

    def _run(self) -> None:
        try:
            self.value = self._work(self)
        except BaseException as error:  # handed to the page, which says it in words
            self.error = error
