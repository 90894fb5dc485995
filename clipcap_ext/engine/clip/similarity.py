"""Cosines that come out alike on every processor, and orders that no last digit decides; it knows no model.

A sum of rounded products depends on its order, which differs with batch, threads and instruction set. Here
unit vectors lie on a grid so coarse that every product and every partial sum is a whole number of steps below
2**53: float64 holds each exactly, so any order of summation gives the same cosine. Features themselves come
from a network, whose arithmetic knows its batch in the last digit: so ties are told by a tolerance.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

STEPS = 2.0**24  # steps of the grid in 1: as fine as float32 near 1
TIE = 1e-6  # cosines no farther apart are equal: batch, threads and processor move float32's by up to 3e-7


def unit_rows(features: Tensor | np.ndarray) -> np.ndarray:
    """Features (..., d) of any norm -> float64 (..., d) of unit norm, on the grid; zeros stay zeros."""
    given = features.detach().cpu().double().numpy() if isinstance(features, Tensor) else features
    _, exponent = np.frexp(np.abs(given).max(axis=-1, keepdims=True, initial=0.0))
    wide = np.ldexp(given.astype(np.float64), -exponent)  # exactly; a row's largest is now from 0.5 to 1
    steps = 2.0 ** (52 - math.ceil(math.log2(max(wide.shape[-1], 2))))  # so that d squares add up exactly
    norms = np.sqrt(np.rint(wide * wide * steps).sum(axis=-1, keepdims=True) / steps)
    return np.rint(wide / np.where(norms == 0, 1.0, norms) * STEPS) / STEPS


def exact_cosines(rows: Tensor | np.ndarray, others: Tensor | np.ndarray) -> np.ndarray:
    """Features (n, d) and (m, d) of any norm -> float64 cosines (n, m), the same whatever computes them."""
    return np.clip(unit_rows(rows) @ unit_rows(others).T, -1.0, 1.0)


def nearest_first(similarities: np.ndarray) -> np.ndarray:
    """Places of `similarities` (n,), highest first; a run whose steps are within TIE comes as listed."""
    order = np.argsort(-similarities, kind="stable")
    falls = -np.diff(similarities[order], prepend=np.inf) > TIE
    return order[np.lexsort((order, np.cumsum(falls)))]


def rivals(similarities: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How many of similarities (n, m) are no lower than own (n,), or lower by no more than TIE: (n,)."""
    return (similarities >= own[:, None] - TIE).sum(axis=1)
