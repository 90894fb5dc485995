"""docs/results.md is what the command renders, and a row of it follows from its kept image statistics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipcap_ext.reproduce.paper import read_tables
from clipcap_ext.reproduce.recipes import recipes
from clipcap_ext.reproduce.report.plots import table_plots
from clipcap_ext.reproduce.results import attempt
from clipcap_ext.reproduce.run import page_of, read_results
from clipcap_ext.reproduce.scores import read_scores
from clipcap_ext.reproduce.stand_in import stand_in

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEPT = sorted((DOCS / "results").glob("*.json"))


def test_nobody_edited_the_page_by_hand() -> None:
    results = read_results(DOCS / "results.json")
    drawn = table_plots(results)
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page_of(results, drawn)
    assert {path.name for path in (DOCS / "results").glob("*.svg")} == set(drawn)


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
    assert said["seeds"] == [kept["seed"]]
    assert json.loads(json.dumps(attempt([kept], stand_in(recipe), True))) == said
    assert path.stat().st_size < 300_000


def test_a_row_is_kept() -> None:
    assert KEPT
