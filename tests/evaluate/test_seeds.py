"""Two systems compared by their means over seeds: the paired bootstrap with one seed each, wider where seeds
differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.seeds import SeedsDifference, seeds_difference
from clipcap_ext.evaluate.statistics.significance import differences
from clipcap_ext.metrics import score
from clipcap_ext.metrics.metric_table import MetricTable, mean_table

QUICK = Bootstrap(samples=400, seed=1)
WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "on", "snow"]), min_size=1, max_size=6).map(" ".join)


def tables(*seeds: np.ndarray) -> list[MetricTable]:
    return [mean_table(np.asarray(values, dtype=float)) for values in seeds]


def noisy(base: np.ndarray, shifts: Sequence[float], draw: np.random.Generator) -> list[MetricTable]:
    """A table a seed: `base` shifted, and noise on every image."""
    return tables(*(base + shift + draw.normal(0, 0.05, len(base)) for shift in shifts))


def width(found: SeedsDifference) -> float:
    return found.interval[1] - found.interval[0]


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=2, max_size=8), st.integers(0, 9))
@settings(max_examples=30)
def test_with_one_seed_each_it_is_the_paired_bootstrap(photos: list[tuple[str, str, str]], seed: int) -> None:
    references = {f"{i}.jpg": [photo[0]] for i, photo in enumerate(photos)}
    systems = [{f"{i}.jpg": photo[k] for i, photo in enumerate(photos)} for k in (1, 2)]
    one, other = (score(system, references, "words", ["BLEU", "ROUGE-L"]) for system in systems)
    bootstrap = Bootstrap(samples=50, seed=seed)
    for row in differences(one.tables, other.tables, bootstrap):
        found = seeds_difference([one.tables[row.metric]], [other.tables[row.metric]], bootstrap)
        assert found.first == row.first and found.second == row.second
        assert found.difference == row.difference and found.interval == row.interval
        assert found.p == row.p_bootstrap


def test_a_system_does_not_differ_from_itself() -> None:
    seeds = noisy(np.random.default_rng(0).random(80), (0, 0.01, 0.02), np.random.default_rng(1))
    found = seeds_difference(seeds, seeds, QUICK)
    assert found.difference == 0 and found.p == 1 and found.interval[0] < 0 < found.interval[1]
    alone = seeds_difference(seeds[:1], seeds[:1], QUICK)
    assert (alone.interval, alone.p) == ((0, 0), 1)


def test_a_clear_gap_is_seen_and_exchanging_the_systems_changes_its_sign() -> None:
    draw = np.random.default_rng(2)
    base = draw.random(200)
    one, other = noisy(base, (0, 0.01, 0.02), draw), noisy(base, (0.1, 0.11), draw)
    there, back = seeds_difference(one, other, QUICK), seeds_difference(other, one, QUICK)
    assert there.p < 0.01 and there.interval[0] > 0
    assert back.difference == -there.difference
    assert np.negative(back.interval[::-1]) == pytest.approx(
        there.interval, abs=0.005
    )  # other seeds are drawn
    assert back.p == pytest.approx(there.p, abs=0.01)


def test_a_mean_is_over_the_seeds_of_each() -> None:
    found = seeds_difference(tables(np.zeros(5), np.full(5, 0.5)), tables(np.full(5, 1.0)), QUICK)
    assert (found.first, found.second) == (0.25, 1.0)
    assert found.interval == (0.5, 1.0)  # of the first system a mean of 0, of 0.25 or of 0.5 is drawn


def test_seeds_that_differ_more_widen_the_interval() -> None:
    draw = np.random.default_rng(3)
    base = draw.random(200)
    fixed = noisy(base, (0.05,), draw)
    widths = [
        width(seeds_difference(noisy(base, (-gap, 0, gap), np.random.default_rng(4)), fixed, QUICK))
        for gap in (0, 0.03, 0.06)
    ]
    assert widths[0] * 2 < widths[1] and widths[1] * 1.5 < widths[2]


def test_images_are_drawn_alike_for_both() -> None:
    """How easy an image is differs far more than the systems do."""
    draw = np.random.default_rng(5)
    easy = draw.random(100)
    one, other = noisy(easy, (0, 0), draw), noisy(easy, (0.03, 0.03), draw)
    assert seeds_difference(one, other, QUICK).interval[0] > 0


def test_p_is_right_by_chance_alone() -> None:
    """Where nothing but images differs, p is below 0.2 in about a fifth of the trials."""
    low = 0
    for trial in range(150):
        draw = np.random.default_rng(trial)
        seeds = [noisy(draw.random(50), (0,), draw) for _ in range(2)]
        low += seeds_difference(*seeds, Bootstrap(samples=200, seed=trial)).p < 0.2
    assert 15 <= low <= 48  # 30 in the mean, deviation 4.9


def test_what_cannot_be_compared() -> None:
    three, four = tables(np.ones(3)), tables(np.ones(4))
    with pytest.raises(ScoringError, match=r"1 seeds against 1, of 3 or 4 images"):
        seeds_difference(three, four, QUICK)
    with pytest.raises(ScoringError, match=r"0 seeds against 1"):
        seeds_difference([], three, QUICK)
