"""Tables of image statistics as plain lists and back, so that a score can be derived again without the
scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipcap_ext.metrics.meteor import meteor_of
from clipcap_ext.metrics.overlap import ORDERS, bleu_value
from clipcap_ext.metrics.table import CorpusValue, MetricTable, mean_table

DIGITS = 6


def stored(tables: Mapping[str, MetricTable]) -> dict[str, list[Any]]:
    """Metric -> one entry an image: BLEU's counts (10, for all orders), METEOR's (23), or the image's own
    value."""
    kept: dict[str, list[Any]] = {}
    for name, table in tables.items():
        if name.startswith("BLEU"):
            kept["BLEU"] = _numbers(table.rows)
        elif name == "METEOR":
            kept["METEOR"] = _numbers(table.rows)
        else:
            kept[name] = _numbers(table.per_image)
    return kept


def restored(kept: Mapping[str, Sequence[Any]]) -> dict[str, MetricTable]:
    """The tables that `stored` kept, to DIGITS digits."""
    tables: dict[str, MetricTable] = {}
    for name, numbers in kept.items():
        values = np.asarray(numbers, dtype=np.float64)
        if name == "BLEU":
            tables |= {f"BLEU-{order}": _pooled(values, bleu_value(order)) for order in range(1, ORDERS + 1)}
        elif name == "METEOR":
            tables[name] = _pooled(values, meteor_of)
        else:
            tables[name] = mean_table(values)
    return tables


def _pooled(rows: np.ndarray, value: CorpusValue) -> MetricTable:
    return MetricTable(float(value(rows.sum(axis=0))), value(rows), rows, value)


def _numbers(values: np.ndarray) -> list[Any]:
    """Nested lists; whole numbers without their point."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [int(x) if x == int(x) else round(float(x), DIGITS) for x in values]
