"""docs/results.md is what the command renders, and a row of it follows from its kept image statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipcap_ext.reproduce.pairs import pairs
from clipcap_ext.reproduce.paper import read_tables
from clipcap_ext.reproduce.recipes import recipes
from clipcap_ext.reproduce.report.plots import COLOURS, table_plots
from clipcap_ext.reproduce.results import attempt
from clipcap_ext.reproduce.run import page_of, read_results
from clipcap_ext.reproduce.scored import Made
from clipcap_ext.reproduce.scores import read_scores
from clipcap_ext.reproduce.stand_in import ENCODERS, stand_in

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEPT = sorted((DOCS / "results").glob("*.json"))
PRINTED = {  # what the page's commands train, taken before other tests make budgets small
    (table, recipe.row.name): list(stand_in(recipe).assignments)
    for table in ENCODERS
    for recipe in recipes(table)
}


def test_nobody_edited_the_page_by_hand() -> None:
    results = read_results(DOCS / "results.json")
    drawn = table_plots(results)
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page_of(results, drawn)
    assert {path.name for path in (DOCS / "results").glob("*.svg")} == set(drawn)


def test_no_two_rows_of_a_plot_have_one_colour() -> None:
    for table in read_results(DOCS / "results.json")["tables"].values():
        made = [one for row in table["rows"] for one in row["attempts"] if "protocols" in one]
        assert len(made) <= len(COLOURS) == len(set(COLOURS))


def test_the_page_has_every_row_of_the_papers() -> None:
    tables = read_results(DOCS / "results.json")["tables"]
    for name, table in read_tables().items():
        said = {row["name"]: row for row in tables[name]["rows"]}
        for row in table.rows:
            assert said[row.name]["paper"] == dict(row.values)
            assert said[row.name]["attempts"]


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_a_row_follows_from_its_kept_statistics(path: Path) -> None:
    kept = read_scores(path)
    (recipe,) = recipes(kept["table"], kept["row"])
    rows = read_results(DOCS / "results.json")["tables"][kept["table"]]["rows"]
    (said,) = (
        one for row in rows if row["name"] == kept["row"] for one in row["attempts"] if one["stand_in"]
    )
    runs = kept_runs(kept["table"], kept["row"])
    assert said["seeds"] == [run["seed"] for run in runs]
    assert json.loads(json.dumps(attempt(runs, stand_in(recipe), True))) == said
    assert kept["assignments"] == PRINTED[kept["table"], kept["row"]]
    assert path.stat().st_size < 300_000


def test_the_pairs_follow_from_the_kept_statistics() -> None:
    """All pairs of the page are of rows that are kept."""
    tables = read_results(DOCS / "results.json")["tables"]
    for name, table in tables.items():
        made = [
            Made(stand_in(recipe), True, "", runs)
            for recipe in recipes(name)
            if (runs := kept_runs(name, recipe.row.name))
        ]
        assert json.loads(json.dumps(pairs(made))) == table["pairs"]
    assert tables["flickr8k"]["pairs"]


def kept_runs(table: str, row: str) -> list[dict[str, Any]]:
    """One a seed."""
    runs = [read_scores(path) for path in KEPT if path.name.startswith(f"{table}-{row}-seed")]
    return sorted(runs, key=lambda run: run["seed"])
