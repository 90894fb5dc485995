"""Work done ahead in threads, its results in order and few at a time; it knows nothing of pictures or
batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = max(1, min(4, os.cpu_count() or 1))  # that read, decode and resize pictures: more gain nothing
POLL = 0.1  # seconds within which a stop is seen


def prepare_ahead(
    items: Iterable[Item], prepare: Callable[[Item], Result], workers: int, *, ahead: int = 0,
    weight: Callable[[Result], float] = lambda result: 0.0, heavy: float = 1.0,
    in_turns: bool = False, stopped: Callable[[], bool] = lambda: False,
) -> Generator[Result, None, None]:  # fmt: skip
    """`prepare` each item in worker threads, in order and a few ahead; leaving the loop early ends the
    threads.

    ahead: how many may have been begun and not yet asked for (default: one more than workers). None is begun
    while those that are ready weigh `heavy` or more together, nor, in turns, while any of those begun has not
    been asked for. Once `stopped` it yields no more, at once: what is still in work ends by itself.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    waiting: deque[Future[Result]] = deque()
    source = iter(items)
    try:
        while not stopped():
            begins = not (in_turns and waiting)
            while begins and _has_room(waiting, ahead or workers + 1, weight, heavy):
                more = list(islice(source, 1))
                if not more:
                    break
                waiting.append(pool.submit(prepare, more[0]))
            if not waiting:
                return
            if _is_ready(waiting[0], stopped):
                yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=not stopped(), cancel_futures=True)


def batches_ahead(
    items: Iterable[Item], prepare: Callable[[Item], Result], size: int, *, in_turns: bool,
    weight: Callable[[Result], float] = lambda result: 0.0, heavy: float = 1.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[list[Result], None, None]:  # fmt: skip
    """`prepare_ahead` in THREADS threads for a caller that takes `size` at a time.

    in_turns (see `takes_every_core`): the caller's own work leaves no core free, and a thread beside it would
    hold up all of its threads. A batch is prepared while the caller waits for it, by all threads, and nothing
    while it works.
    """
    ahead = size if in_turns else size + THREADS
    made = prepare_ahead(
        items, prepare, THREADS, ahead=ahead, weight=weight, heavy=heavy, in_turns=in_turns, stopped=stopped
    )
    with closing(made) as ready:
        while batch := list(islice(ready, size)):
            yield batch


def takes_every_core(device: object) -> bool:
    """Whether a model on that device (torch's word for it) works in as many threads as there are cores."""
    import torch

    known = getattr(os, "sched_getaffinity", None)
    cores = len(known(0)) if known is not None else os.cpu_count() or 1
    return str(device).startswith("cpu") and torch.get_num_threads() >= cores


def _has_room(waiting: deque[Future[Any]], most: int, weight: Callable[[Any], float], heavy: float) -> bool:
    done = [future for future in waiting if future.done() and future.exception() is None]
    return len(waiting) < most and sum(weight(future.result()) for future in done) < heavy


def _is_ready(future: Future[Any], stopped: Callable[[], bool]) -> bool:
    """Wait for it; False if it was stopped first."""
    while not stopped():
        try:
            future.exception(POLL)
            return True
        except TimeoutError:
            continue
    return False
