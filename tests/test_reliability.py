"""The measure of doubt: what counts as right, and where the threshold lies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability import Looked, curve, is_right, write

PEOPLE = ("A brown dog runs in the snow.", "a dog with a stick")


@pytest.mark.parametrize(
    ("text", "right"),
    [("a dog runs .", True), ("a dog on a sofa .", True), ("a cat on a sofa .", False), ("in the .", False)],
)
def test_half_of_the_words_must_be_said_by_somebody(text: str, right: bool) -> None:
    assert is_right(text, PEOPLE) is right


def looked(threshold: float, count: int = 400) -> list[Looked]:
    """Captions of values from 0 to 1 that are right from `threshold` on, but for every tenth."""
    rng = np.random.default_rng(0)
    values = rng.random(count)
    return [
        Looked({"m": value}, (value >= threshold) != (place % 10 == 0)) for place, value in enumerate(values)
    ]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_the_least_is_found_where_right_begins(threshold: float) -> None:
    found = curve(looked(threshold), "m")
    assert found.least == pytest.approx(threshold, abs=0.03)
    assert found.area > 0.75 and found.shares[0] < 0.5 < found.shares[-1]


def test_a_measure_that_tells_nothing_has_half_the_area() -> None:
    rng = np.random.default_rng(1)
    by_chance = [Looked({"m": value}, bool(rng.random() < 0.5)) for value in rng.random(2000)]
    assert curve(by_chance, "m").area == pytest.approx(0.5, abs=0.04)


def test_what_is_always_right_is_never_doubted() -> None:
    sure = [Looked({"m": value}, True) for value in (0.3, 0.1, 0.2)]
    assert curve(sure * 4, "m").least == 0.1


def test_it_is_written_into_the_checkpoint(tiny_clipcap: Path, tmp_path: Path) -> None:
    before = json.loads((tiny_clipcap / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(before))
    cases = looked(0.5)
    write(tmp_path, "m", curve(cases, "m"), cases, "flickr8k")
    after = json.loads((tmp_path / "config.json").read_text())
    rule = after.pop("doubt")
    assert after == before
    assert rule["measure"] == "m" and rule["least"] == pytest.approx(0.5, abs=0.03)
    assert rule["photos"] == "400 development photos of flickr8k"
    assert rule["right"]["doubted"] < 0.2 and rule["right"]["others"] > 0.8
    assert rule["doubted"] == pytest.approx(0.5, abs=0.06)
    assert (tmp_path / "reliability.svg").read_text().lstrip().startswith("<?xml")
