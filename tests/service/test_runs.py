"""Work in a thread: what the page reads of it, and that a page that goes away leaves nothing locked."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from clipcap_ext.service import runs
from clipcap_ext.service.runs import Run


def test_a_run_tells_how_far_it_is() -> None:
    go = threading.Event()

    def work(run: Run) -> str:
        run.set_stage("captioning")
        for number in range(3):
            run.add(number)
        go.wait(30)
        return "done"

    run = Run(work, total=4)
    watched = run.watch(every=0.01)
    next(watched)
    while run.done < 3:
        next(watched)
    assert (run.stage, run.done, run.total, run.results) == ("captioning", 3, 4, [0, 1, 2])
    left = run.seconds_left()
    assert left is not None and left >= 0
    watched.close()  # the page is gone
    go.set()
    run._thread.join(30)
    assert (run.value, run.error) == ("done", None)


def test_a_run_that_was_asked_to_stop_is_stopping_whatever_begins_in_it() -> None:
    def work(run: Run) -> bool:
        asked = run.stopping.wait(30)
        run.set_stage("captioning")
        return asked

    run = Run(work)
    run.stop()
    list(run.watch(every=0.01))
    assert run.value is True and run.stage == "stopping"


def test_an_error_is_kept_for_the_page() -> None:
    def work(run: Run) -> None:
        raise ValueError("no")

    run = Run(work)
    list(run.watch(every=0.01))
    assert isinstance(run.error, ValueError)
    assert run.seconds_left() is None


def test_what_is_left_counts_down_between_bursts_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(runs, "monotonic", lambda: now[0])
    run = Run(lambda run: None, total=60)
    list(run.watch(every=0.01))
    now[0] += 30.0  # loading, which is no pace
    run.set_stage("captioning")
    told = []
    for moment in range(1, 31):
        now[0] += 1.0
        if moment % 10 == 0:  # ten results in a burst, every ten seconds
            for number in range(10):
                run.add(number)
        told.append(run.seconds_left())
    assert told[:9] == [None] * 9
    after = [left for left in told[9:] if left is not None]
    assert after[0] == 50.0
    assert all(abs(later - earlier + 1) < 1.5 for earlier, later in pairwise(after)), after


def test_a_quiet_run_says_nothing_but_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(runs, "monotonic", lambda: now[0])
    looks, go, replaced = 0, threading.Event(), False

    def also() -> bool:
        """Three seconds of a quiet run at thirty looks; a tenth passes at each."""
        nonlocal looks
        looks, now[0] = looks + 1, round(now[0] + 0.1, 1)
        if looks == 30:
            go.set()
        return replaced

    run = Run(lambda run: go.wait(30))
    yields = sum(1 for _ in run.watch(also, every=0.001))
    assert looks >= 30 and run.seconds() >= 3
    assert 4 <= yields <= 5, "the first, one a second, the end, which may come with a second"


def test_every_change_of_a_run_is_told_at_the_next_look() -> None:
    steps: list[threading.Event] = [threading.Event() for _ in range(4)]
    replaced: list[bool] = []

    def work(run: Run) -> None:
        for step, change in zip(steps, (lambda: run.set_stage("captioning"), lambda: run.add(0), run.stop,
                                        lambda: replaced.append(True)), strict=True):  # fmt: skip
            assert step.wait(30)
            change()
        assert run.stopping.wait(30) and ended.wait(30)

    ended = threading.Event()
    run = Run(work, total=2)
    watched, seen = run.watch(lambda: bool(replaced), every=0.001), []
    next(watched)
    for step in steps:
        before = (run.stage, run.done, bool(replaced))
        step.set()
        while (now := (run.stage, run.done, bool(replaced))) == before:
            next(watched)
        seen.append(now)
    ended.set()
    assert len(list(watched)) >= 1
    assert seen == [("captioning", 0, False), ("captioning", 1, False), ("stopping", 1, False),
                    ("stopping", 1, True)]  # fmt: skip
