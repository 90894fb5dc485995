"""The scored runs that lie below OUT, by the way they were made; it scores none and says nothing of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import Recipe
from clipcap_ext.reproduce.scores import read_scores
from clipcap_ext.reproduce.stand_in import ENCODERS, stand_in

Run = dict[str, Any]
_SMOKE_AND_SEED = r"(?P<smoke>-smoke-\w+)?-seed(?P<seed>\d+)\.json"


@dataclass(frozen=True)
class Made:
    """A row's scored runs of one way of making, one a seed in their order. recipe: as it was made, with what
    stands in; smoke: the name of a smoke run, empty for runs in earnest."""

    recipe: Recipe
    stand_in: bool
    smoke: str
    runs: list[Run]


def made_of(recipe: Recipe, out: Path) -> list[Made]:
    """With the paper's parts first, then with stand-ins; of each the runs in earnest before the smoke
    runs."""
    kinds = [(False, recipe), *([(True, stand_in(recipe))] if recipe.table.name in ENCODERS else [])]
    return [
        Made(one, kind, smoke, [read_scores(paths[seed]) for seed in sorted(paths)])
        for kind, one in kinds
        for smoke, paths in sorted(_paths(one, out, kind).items())
    ]


def _paths(recipe: Recipe, out: Path, kind: bool) -> dict[str, dict[int, Path]]:
    """The smoke run's name -> seed -> file."""
    some = Places(out, kind).scores(recipe, 0)
    found: dict[str, dict[int, Path]] = {}
    for path in some.parent.glob(some.name.replace("-seed0", "*-seed*")):
        if name := re.fullmatch(some.name.replace("-seed0.json", _SMOKE_AND_SEED), path.name):
            found.setdefault(name["smoke"] or "", {})[int(name["seed"])] = path
    return found
