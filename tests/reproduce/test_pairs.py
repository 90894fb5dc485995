"""Differences between rows: which rows are set against each other, what is computed, what the page says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from clipcap_ext.metrics.metric_table import mean_table
from clipcap_ext.metrics.stored import stored
from clipcap_ext.reproduce.pairs import pairs
from clipcap_ext.reproduce.recipes import recipes
from clipcap_ext.reproduce.report.differences import differences_section, word
from clipcap_ext.reproduce.scored import Made
from clipcap_ext.reproduce.stand_in import stand_in

IMAGES = [f"{i}.jpg" for i in range(60)]
BASE = np.random.default_rng(0).random(60)


def run(seed: int, gain: float, images: Sequence[str] = IMAGES) -> dict[str, Any]:
    """A scored run whose ROUGE-L is `gain` above a base on every image, but for a little noise."""
    noise = np.random.default_rng(seed).normal(0, 0.1, len(images))
    drawn = {"ROUGE-L": BASE[: len(images)] + gain + noise / 10, "CIDEr-D": BASE[: len(images)]}
    kept = {"": {"statistics": stored({name: mean_table(values) for name, values in drawn.items()})}}
    return {"seed": seed, "image_ids": list(images), "protocols": {"paper": kept, "standard": kept}}


def made(row: str, *runs: dict[str, Any], kind: bool = True, smoke: str = "") -> Made:
    (recipe,) = recipes("flickr8k", row)
    return Made(stand_in(recipe) if kind else recipe, kind, smoke, list(runs))


def test_a_pair_has_the_papers_difference_and_ours() -> None:
    (pair,) = pairs([made("original", run(0, 0.0), run(1, 0.02)), made("gradient", run(2, 0.11))])
    assert (pair["first"], pair["second"], pair["seeds"]) == ("original", "gradient", [[0, 1], [2]])
    assert set(pair["values"]) == {"ROUGE-L"}  # CIDEr-D is none of the paper's
    rouge = pair["values"]["ROUGE-L"]
    assert rouge["paper"] == pytest.approx(0.569 - 0.565)
    assert rouge["difference"] == pytest.approx(0.1, abs=0.01) and rouge["p"] < 0.01
    assert rouge["interval"][0] < rouge["difference"] < rouge["interval"][1]


def test_only_rows_made_alike_are_pairs() -> None:
    plain = made("original", run(0, 0))
    unlike = [
        made("gradient", run(0, 0), kind=False),  # the paper's parts
        made("gradient", run(0, 0), smoke="-smoke-ab"),
        made("gradient", run(0, 0, IMAGES[:50])),
        made("merge-rnn", run(0, 0)),  # scored by another protocol
        made("frozen", run(0, 0)),  # the paper has none
    ]
    for other in unlike:
        assert pairs([plain, other]) == []
    assert len(pairs([plain, *unlike, made("gradient", run(0, 0)), made("sbg-1", run(0, 0))])) == 3


@pytest.mark.parametrize(
    ("paper", "interval", "said"),
    [
        (0.01, (0.001, 0.02), "holds"), (-0.01, (-0.02, -0.001), "holds"),
        (0.01, (-0.02, -0.001), "reversed"), (-0.01, (0.001, 0.02), "reversed"),
        (0.01, (-0.001, 0.02), "open"), (-0.01, (-0.02, 0.0), "open"), (0.0, (-0.01, 0.01), "open"),
        (0.0, (0.001, 0.02), "none to hold"),
    ],
)  # fmt: skip
def test_words(paper: float, interval: tuple[float, float], said: str) -> None:
    assert word(paper, interval) == said


def table(*kinds: Made, passes: Sequence[int]) -> dict[str, Any]:
    """A table as results.json has it, as far as the section reads it."""
    rows = [
        {
            "name": one.recipe.row.name, "label": one.recipe.row.label,
            "attempts": [
                {"stand_in": False, "needs": "GPT-2"},
                {"stand_in": one.stand_in, "protocols": {}, "curve": [{"epoch": last - 1}]},
            ],
        }
        for one, last in zip(kinds, passes, strict=True)
    ]  # fmt: skip
    return {"rows": rows, "pairs": pairs(kinds)}


def test_the_section_says_a_word_a_cell_and_what_the_intervals_hold() -> None:
    kinds = [made("original", run(0, 0.1)), made("gradient", run(1, 0.0))]
    text = "\n".join(differences_section(table(*kinds, passes=(4, 4))))
    assert "| CLIP-prefix (original) → CLIP-prefix, gradient clipping | paper +.004; ours −.101 (" in text
    assert "p .001: reversed |" in text and "passes" not in text
    assert "Every row here has one seed" in text
    kinds = [made("original", run(0, 0.1), run(3, 0.1)), made("gradient", run(1, 0.2))]
    text = "\n".join(differences_section(table(*kinds, passes=(4, 2))))
    assert "gradient clipping (4 passes and 2) | paper" in text and ": holds |" in text
    assert "nothing of a row's only seed" in text


def test_a_table_without_pairs_has_no_section() -> None:
    assert list(differences_section({"rows": [], "pairs": []})) == []
