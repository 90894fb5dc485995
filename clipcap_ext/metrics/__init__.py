"""Scores of captions against references, as pure functions; it reads no image, no model and no data set."""

from clipcap_ext.metrics.known import DEFAULT_METRICS, METRICS
from clipcap_ext.metrics.metric import Metric
from clipcap_ext.metrics.metric_table import MetricTable
from clipcap_ext.metrics.protocols import PROTOCOLS
from clipcap_ext.metrics.scoring import Scores, score, score_systems

__all__ = [
    "DEFAULT_METRICS", "METRICS", "PROTOCOLS", "Metric", "MetricTable", "Scores", "score", "score_systems",
]  # fmt: skip
