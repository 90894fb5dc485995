"""Scores as they are compared: without the digits that an order of summation decides; it ranks nothing."""

from __future__ import annotations

import numpy as np

BITS = 32  # of the 53 of a float64


def levels(scores: np.ndarray) -> np.ndarray:
    """Scores of any shape -> float64, each to BITS binary digits; equals are equal however summed."""
    parts, exponents = np.frexp(np.asarray(scores, dtype=np.float64))
    return np.ldexp(np.rint(np.ldexp(parts, BITS)), exponents - BITS)
