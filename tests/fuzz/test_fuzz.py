"""Some hundred mutants at every door: only our errors, in printable words (run.py feeds them thousands)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
from fuzz.doors import Doors
from fuzz.mutants import json_mutant
from fuzz.run import fuzz

PER_DOOR = 25


@pytest.mark.slow
def test_only_our_errors_come_out_of_any_door(tmp_path: Path, tiny_folder: Path) -> None:
    doors = Doors(tmp_path, tiny_folder)
    tallies = fuzz(doors, range(PER_DOOR * len(doors.all())))
    assert {name: tally.foreign for name, tally in tallies.items() if tally.foreign} == {}
    refused, taken = (
        sum(getattr(tally, kind) for tally in tallies.values()) for kind in ("refused", "taken")
    )
    assert refused > PER_DOOR and taken > PER_DOOR, "mutants are odd enough, and not all of them are hopeless"


def test_a_door_that_lets_a_foreign_error_out_is_seen(tmp_path: Path, tiny_folder: Path) -> None:
    class Leaky(Doors):
        def all(self):  # type: ignore[no-untyped-def]
            return {"leak": lambda chance: {}["missing"]}

    assert "KeyError" in fuzz(Leaky(tmp_path, tiny_folder), [0])["leak"].foreign[0]


def test_a_mutant_is_told_by_its_seed() -> None:
    value = {"a": [1, {"b": "c"}], "d": None}
    assert json_mutant(value, random.Random(7)) == json_mutant(value, random.Random(7))
    assert len({json_mutant(value, random.Random(seed)) for seed in range(50)}) > 30
    assert value == {"a": [1, {"b": "c"}], "d": None}
