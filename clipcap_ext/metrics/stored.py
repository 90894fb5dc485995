"""Tables of image statistics as plain lists and back, so that a score can be derived again without the
scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.known import METRICS
from clipcap_ext.metrics.metric_table import CorpusValue, MetricTable, mean_table

DIGITS = 6


def stored(tables: Mapping[str, MetricTable]) -> dict[str, list[Any]]:
    """One entry an image: under the name of a pooled metric its rows, which all its keys share; under any
    other key the image's own value."""
    pooled = {key: metric.name for metric in METRICS.values() for key in metric.pooled}
    return {
        pooled.get(key, key): _numbers(table.rows if key in pooled else table.per_image)
        for key, table in tables.items()
    }


def restored(kept: Mapping[str, Sequence[Any]]) -> dict[str, MetricTable]:
    """The tables that `stored` kept, to DIGITS digits; ScoringError for rows of a metric not known here."""
    tables: dict[str, MetricTable] = {}
    for name, numbers in kept.items():
        values = np.asarray(numbers, dtype=np.float64)
        pooled = METRICS[name].pooled if name in METRICS else {}
        if values.ndim != 1 and not pooled:
            raise ScoringError(f"{name} is no metric of this version, so its stored statistics mean nothing.")
        if pooled:
            tables |= {key: _pooled(values, value) for key, value in pooled.items()}
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
