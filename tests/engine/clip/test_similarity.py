"""Cosines that no order of summation changes, against exact fractions; orders that noise leaves alone."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.engine.clip.similarity import STEPS, TIE, exact_cosines, nearest_first, rivals, unit_rows

SIZES = st.sampled_from([1, 2, 3, 31, 512, 768, 4096])
SEEDS = st.integers(0, 10_000)


def drawn(seed: int, rows: int, size: int) -> np.ndarray:
    """Rows of widely different norms, as float32."""
    draw = np.random.default_rng(seed)
    scales = 10.0 ** draw.integers(-6, 6, size=(rows, 1))
    return (draw.normal(size=(rows, size)) * scales).astype(np.float32)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    a, b = ([Fraction(float(x)) for x in row] for row in (one, other))
    dot, square = sum(x * y for x, y in zip(a, b, strict=True)), sum(x * x for x in a) * sum(y * y for y in b)
    return float(dot) / math.sqrt(float(square)) if square else 0.0


@given(SEEDS, SIZES)
@settings(max_examples=30)
def test_no_order_of_summation_and_no_batch_changes_a_bit(seed: int, size: int) -> None:
    rows, others = drawn(seed, 5, size), drawn(seed + 1, 9, size)
    whole = exact_cosines(rows, others)
    shuffled = np.random.default_rng(seed).permutation(size)
    assert np.array_equal(exact_cosines(rows[:, shuffled], others[:, shuffled]), whole)
    assert np.array_equal(exact_cosines(others, rows).T, whole)
    for i, row in enumerate(rows):
        assert np.array_equal(exact_cosines(row[None], others)[0], whole[i])
        one_by_one = [sum((unit_rows(row) * other).tolist()) for other in unit_rows(others)]
        assert np.array_equal(np.clip(one_by_one, -1, 1), whole[i])
    assert np.array_equal(exact_cosines(torch.from_numpy(rows), torch.from_numpy(others)), whole)


@given(SEEDS, st.sampled_from([1, 2, 31, 512]))
@settings(max_examples=30)
def test_they_are_the_cosines(seed: int, size: int) -> None:
    rows, others = drawn(seed, 2, size), drawn(seed + 1, 2, size)
    wanted = [[cosine(row, other) for other in others] for row in rows]
    assert exact_cosines(rows, others) == pytest.approx(np.array(wanted), abs=2e-7)
    assert exact_cosines(rows, rows).diagonal() == pytest.approx(np.ones(2), abs=1e-6)


def test_unit_rows_lie_on_the_grid_and_know_no_power_of_two() -> None:
    rows = drawn(1, 8, 512)
    unit = unit_rows(rows)
    assert np.array_equal(unit * STEPS, np.rint(unit * STEPS))
    assert np.array_equal(unit_rows(rows * np.float32(2.0**-40)), unit)
    assert np.array_equal(unit_rows(rows * np.float32(2.0**40)), unit)
    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(8), abs=1e-6)
    assert np.array_equal(unit_rows(np.zeros((2, 3))), np.zeros((2, 3)))
    assert unit_rows(np.zeros((0, 3))).shape == (0, 3) and exact_cosines(rows, rows[:0]).shape == (8, 0)
    assert unit_rows(torch.tensor([3.0, 4.0], dtype=torch.bfloat16)).tolist() == pytest.approx([0.6, 0.8])


@given(st.lists(st.integers(0, 6), max_size=30), SEEDS)
def test_equals_come_as_listed_whatever_their_last_digit_says(levels: list[int], seed: int) -> None:
    exact = np.array(levels, dtype=float) / 10
    noise = np.random.default_rng(seed).uniform(-TIE / 3, TIE / 3, size=len(levels))
    order = nearest_first(exact + noise)
    assert order.tolist() == sorted(range(len(levels)), key=lambda i: -levels[i])


def test_what_is_farther_apart_than_a_tie_is_ordered() -> None:
    assert nearest_first(np.array([0.5, 0.5 + 3 * TIE, 0.5 + 2 * TIE / 3])).tolist() == [1, 0, 2]
    assert nearest_first(np.array([])).tolist() == []


def test_rivals_are_those_no_lower_than_by_a_tie() -> None:
    similarities = np.array([[0.5, 0.5 - TIE / 2, 0.5 - 2 * TIE, 0.6], [0.1, 0.2, 0.3, -np.inf]])
    assert rivals(similarities, np.array([0.5, 0.2])).tolist() == [3, 2]
