"""Work done ahead in threads, its results in order and few at a time; it knows nothing of pictures or
batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prepare_ahead(
    items: Iterable[Item], prepare: Callable[[Item], Result], workers: int
) -> Generator[Result, None, None]:
    """`prepare` each item in worker threads, in order and a few ahead; leaving the loop early ends the
    threads."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    waiting: deque[Future[Result]] = deque()
    source = iter(items)
    try:
        while True:
            while len(waiting) < workers + 1:
                try:
                    waiting.append(pool.submit(prepare, next(source)))
                except StopIteration:
                    break
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
