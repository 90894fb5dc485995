"""Few pictures encoded at a time, many captions decoded together: the same outcomes, sooner."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from folder_runs import picture, shade
from PIL import Image

from clipcap_ext.batch import captioning as module
from clipcap_ext.batch.captioning import caption_files
from clipcap_ext.caption import Candidate, Caption
from clipcap_ext.captioning import Captioning
from clipcap_ext.errors import CaptionError

RED = range(0, 250, 10)  # 25 pictures


class Counting:
    """Sees how red a picture is, and says it later; a step fails where `chokes` says so."""

    def __init__(self, most: int = 1000, poison: int = -1) -> None:
        self.most, self.poison = most, poison
        self.looked: list[int] = []
        self.said: list[int] = []

    def look(self, images: Sequence[Image.Image]) -> list[int]:
        self.looked.append(len(images))
        reds = [shade(image) for image in images]
        if self.poison in reds:
            raise CaptionError("poison")
        return reds

    def say(self, reds: Sequence[int]) -> list[Caption]:
        self.said.append(len(reds))
        if len(reds) > self.most:
            raise CaptionError("no memory")
        return [Caption(f"red {red} .", "fake", (Candidate(f"red {red} .", -1.0),)) for red in reds]

    @property
    def steps(self) -> Captioning:
        return Captioning(self.look, self.say)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(module, "PATIENCE", 60.0)  # a busy machine is not what is tested here
    return [picture(tmp_path / f"p{red:03}.png", red) for red in RED]


def texts(paths: Sequence[Path], counting: Counting, **options: int) -> list[str]:
    outcomes = list(caption_files(paths, counting.steps, **options))
    assert [outcome.path for outcome in outcomes] == list(paths)
    return [outcome.caption.text if outcome.caption else outcome.problem for outcome in outcomes]


WANTED = [f"red {red} ." for red in RED]


@pytest.mark.parametrize(
    ("batch_size", "looked", "said"),
    [(8, [8, 8, 8, 1], [25]), (1, [1] * 25, [8, 8, 8, 1]), (2, [2] * 12 + [1], [16, 9])],
)
def test_what_few_look_at_is_said_by_many_together(
    paths: list[Path], batch_size: int, looked: list[int], said: list[int]
) -> None:
    counting = Counting()
    assert texts(paths, counting, batch_size=batch_size) == WANTED
    assert (counting.looked, counting.said) == (looked, said)


def test_nobody_waits_longer_than_patience(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    counting = Counting()
    assert texts(paths, counting) == WANTED
    assert counting.said == [8, 8, 8, 1]


def test_large_pictures_do_not_heap_up_in_memory(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIXELS", 8 * 8 * 16)
    counting = Counting()
    assert texts(paths, counting) == WANTED
    assert counting.said == [16, 9]


def test_too_many_for_the_memory_are_said_alone_and_fewer_are_tried_next(paths: list[Path]) -> None:
    counting = Counting(most=5)
    assert texts(paths, counting, batch_size=1) == WANTED  # 8 together, then 4, for 8 were too many
    assert counting.said == [8, *[1] * 8, 4, 4, 4, 4, 1]


def test_one_that_cannot_be_looked_at_costs_no_other_and_keeps_its_place(paths: list[Path]) -> None:
    paths[3].write_bytes(b"no picture")
    counting = Counting(poison=100)
    said = texts(paths, counting)
    assert said[10] == "poison" and paths[3].name in said[3]
    assert [text for place, text in enumerate(said) if place not in (3, 10)] == [
        text for place, text in enumerate(WANTED) if place not in (3, 10)
    ]


def test_a_stop_ends_it_before_the_captions_of_those_who_wait(paths: list[Path]) -> None:
    counting = Counting()
    assert list(caption_files(paths, counting.steps, stopped=lambda: len(counting.looked) == 2)) == []
    assert counting.looked == [8, 8]
    seen: list[object] = []
    for outcome in caption_files(paths, Counting().steps, stopped=lambda: len(seen) >= 3):
        seen.append(outcome)
    assert len(seen) == 3


def test_pictures_are_made_ready_by_other_threads_and_in_no_other_order(paths: list[Path]) -> None:
    paths[3].write_bytes(b"no picture")
    threads: set[int] = set()
    looked: list[object] = []

    def prepare(image: Image.Image) -> int:
        threads.add(threading.get_ident())
        return shade(image)

    def look(reds: Sequence[int]) -> Sequence[int]:
        looked.extend(reds)
        return reds

    outcomes = list(caption_files(paths, Captioning(look, Counting().say, prepare)))
    assert [one.path for one in outcomes] == paths and looked == [red for red in RED if red != RED[3]]
    assert threading.get_ident() not in threads and all(one.image or one.problem for one in outcomes)


def test_what_cannot_be_made_ready_is_that_pictures_own_problem(paths: list[Path]) -> None:
    def prepare(image: Image.Image) -> int:
        if shade(image) == 100:
            raise OverflowError("too red")
        return shade(image)

    outcomes = list(caption_files(paths, Captioning(lambda reds: reds, Counting().say, prepare)))
    assert [one.path for one in outcomes if one.problem] == [paths[10]]
    assert outcomes[10].problem == f"{paths[10].name} cannot be read: OverflowError: too red"
