"""Work ahead of whoever asks for it: in order, bounded, and over at once when it is stopped."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.ahead import batches_ahead, prepare_ahead, takes_every_core


def test_the_order_is_kept_and_errors_are_passed_on() -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.02 if i == 0 else 0)
        if i == 5:
            raise ValueError("five")
        return i * i

    assert list(prepare_ahead(range(5), slow_first, 3)) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="five"):
        list(prepare_ahead(range(8), slow_first, 3))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 5), max_size=20), st.integers(1, 4), st.integers(0, 6), st.integers(1, 9),
    st.booleans(),
)  # fmt: skip
def test_every_item_comes_once_whatever_the_bounds(
    weights: list[int], workers: int, ahead: int, heavy: int, in_turns: bool
) -> None:
    made = prepare_ahead(
        weights, lambda one: one, workers, ahead=ahead, weight=float, heavy=heavy, in_turns=in_turns
    )
    assert list(made) == weights
    batches = batches_ahead(weights, lambda one: one, workers, in_turns=in_turns, weight=float, heavy=heavy)
    assert list(batches) == [weights[start : start + workers] for start in range(0, len(weights), workers)]


def test_in_turns_nothing_is_prepared_while_the_caller_works() -> None:
    begun: list[int] = []
    batches = batches_ahead(range(20), lambda i: begun.append(i) or i, 4, in_turns=True)
    for start in range(0, 20, 4):
        assert next(batches) == list(range(start, start + 4))
        time.sleep(0.05)  # a model at work
        assert len(begun) == start + 4
    meanwhile = batches_ahead(range(20), lambda i: begun.append(i) or i, 4, in_turns=False)
    next(meanwhile)
    wait_for(lambda: len(begun) > 24)
    meanwhile.close()


def test_only_a_model_on_all_cores_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    for device, threads, all_of_them in (("cpu", 2, True), ("cpu", 1, False), ("cuda:0", 2, False)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert takes_every_core(torch.device(device)) is all_of_them


def test_no_more_is_begun_than_asked_for() -> None:
    begun: list[int] = []
    made = prepare_ahead(range(50), lambda i: begun.append(i) or i, 2, ahead=5)
    for asked in range(1, 20):
        next(made)
        assert len(begun) <= asked - 1 + 5
    made.close()


def test_none_is_begun_while_what_is_ready_weighs_too_much() -> None:
    begun: list[int] = []
    made = prepare_ahead(range(50), lambda i: begun.append(i) or 10, 1, ahead=40, weight=float, heavy=25)
    next(made)
    wait_for(lambda: len(begun) == 40)  # of all of these none was ready when they were asked for
    for _ in range(36):
        next(made)
    assert len(begun) == 40  # 30 are ready
    next(made)
    next(made)
    wait_for(lambda: len(begun) > 40)
    made.close()


def test_a_stop_waits_for_nobody() -> None:
    stop, hanging = threading.Event(), threading.Event()

    def read(i: int) -> int:
        if i == 2:
            threading.Timer(0.05, stop.set).start()
            hanging.wait(60)
        return i

    assert list(prepare_ahead(range(9), read, 1, stopped=stop.is_set)) == [0, 1]
    hanging.set()


def test_leaving_the_loop_ends_the_threads() -> None:
    at_work: set[threading.Thread] = set()
    for _ in prepare_ahead(range(100), lambda i: at_work.add(threading.current_thread()), 3):
        break
    assert at_work and not any(thread.is_alive() for thread in at_work)


def wait_for(reached: Callable[[], bool]) -> None:
    """Until it is so; half a minute at most."""
    until = time.monotonic() + 30
    while not reached() and time.monotonic() < until:
        time.sleep(0.005)
    assert reached()
