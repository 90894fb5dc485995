"""Scores of captions against references, as pure functions; it reads no image, no model and no data set."""

from clipcap_ext.metrics.protocols import PROTOCOLS
from clipcap_ext.metrics.scoring import KNOWN_METRICS, METRICS, Scores, score, score_systems
from clipcap_ext.metrics.table import MetricTable

__all__ = ["KNOWN_METRICS", "METRICS", "PROTOCOLS", "MetricTable", "Scores", "score", "score_systems"]
