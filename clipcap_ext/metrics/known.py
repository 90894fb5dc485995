"""The metrics there are, a row each; how each is computed is said in its own file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.chair import CHAIR
from clipcap_ext.metrics.clip_score import CLIP_SCORE
from clipcap_ext.metrics.distinct import DISTINCT
from clipcap_ext.metrics.java import find_java
from clipcap_ext.metrics.meteor import METEOR
from clipcap_ext.metrics.metric import Metric
from clipcap_ext.metrics.overlap import BLEU, CIDER_D, ROUGE_L
from clipcap_ext.metrics.protocols import get_protocol
from clipcap_ext.metrics.spice import SPICE

_ALL = (  # in the order of tables and signatures
    BLEU,
    METEOR,
    ROUGE_L,
    CIDER_D,
    SPICE,
    CLIP_SCORE,
    DISTINCT,
    CHAIR,
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
DEFAULT_METRICS = tuple(metric.name for metric in METRICS.values() if metric.default)


def find_metrics(names: Iterable[str]) -> list[Metric]:
    """The records of these names, in the table's order; ScoringError lists the known names."""
    wanted = set(names)
    unknown = sorted(wanted - METRICS.keys())
    if unknown or not wanted:
        raise ScoringError(
            f"Unknown metrics {', '.join(unknown) or '(none given)'}; known: {', '.join(METRICS)}."
        )
    return [metric for name, metric in METRICS.items() if name in wanted]


def needs_of(protocol: str, names: Sequence[str]) -> list[Callable[[], object]]:
    """The checks, each once, that tell before any work whether scores can be made on this machine."""
    java = (find_java,) if get_protocol(protocol).needs_java else ()
    return list(dict.fromkeys([*java, *(need for metric in find_metrics(names) for need in metric.needs)]))


def keys_of(names: Iterable[str]) -> list[str]:
    """The figures of these metrics, in order."""
    return [key for metric in find_metrics(names) for key in metric.keys]


def main_keys() -> list[str]:
    """The default metrics' figures where room is short: of each the first and the last."""
    ends = [(metric.keys[0], metric.keys[-1]) for metric in find_metrics(DEFAULT_METRICS)]
    return list(dict.fromkeys(key for pair in ends for key in pair))


def lower_keys() -> frozenset[str]:
    """The figures of which less is better."""
    return frozenset(key for metric in METRICS.values() if metric.lower for key in metric.keys)
