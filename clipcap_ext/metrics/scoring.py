"""From hypotheses and references to scores with their signature; it holds no metric itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.meteor import MeteorProcess
from clipcap_ext.metrics.overlap import bleu, cider_d, rouge_l
from clipcap_ext.metrics.protocols import get_protocol
from clipcap_ext.metrics.signature import signature
from clipcap_ext.metrics.spice import spice
from clipcap_ext.metrics.table import MetricTable

METRICS = ("BLEU", "METEOR", "ROUGE-L", "CIDEr-D")  # those of the tables, and the default
KNOWN_METRICS = (*METRICS, "SPICE")
_PURE: dict[str, Callable[..., dict[str, MetricTable]]] = {
    "BLEU": bleu, "ROUGE-L": rouge_l, "CIDEr-D": cider_d, "SPICE": spice,
}  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """The scores of one system: its images (sorted), the tokens as scored, a table a metric, and the
    signature."""

    image_ids: tuple[str, ...]
    tokens: tuple[str, ...]
    tables: Mapping[str, MetricTable]
    signature: str

    @property
    def values(self) -> dict[str, float]:
        """Corpus values: BLEU-1..4, METEOR, ROUGE-L and SPICE from 0 to 1, CIDEr-D from 0 to 10."""
        return {name: table.value for name, table in self.tables.items()}

    @property
    def per_image(self) -> dict[str, dict[str, float]]:
        """image_id -> metric -> value."""
        columns = {name: table.per_image for name, table in self.tables.items()}
        return {
            image_id: {name: float(column[row]) for name, column in columns.items()}
            for row, image_id in enumerate(self.image_ids)
        }


def score(
    hypotheses: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    protocol: str = "standard",
    metrics: Sequence[str] = METRICS,
    *,
    data: str = "unnamed",
    split: str = "all",
) -> Scores:
    """Score one caption an image against its references; both are keyed by image_id.

    Needs Java for the protocol `standard`, for METEOR and SPICE; `score(h, r, "words", ["CIDEr-D"])` needs
    none. Raises ScoringError where images do not match, there are no references, or a metric cannot run.
    """
    systems = {"system": hypotheses}
    return score_systems(systems, references, protocol, metrics, data=data, split=split)["system"]


def score_systems(
    systems: Mapping[str, Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    protocol: str = "standard",
    metrics: Sequence[str] = METRICS,
    *,
    data: str = "unnamed",
    split: str = "all",
) -> dict[str, Scores]:
    """`score` for several systems over the same references; METEOR's slow start is paid once."""
    chosen, prepare = _known(metrics), get_protocol(protocol)
    for name, hypotheses in systems.items():
        _check_images(name, hypotheses, references)
    ids = sorted(references)
    with MeteorProcess() if "METEOR" in chosen else nullcontext() as meteor:
        refs = _prepare_references([references[image_id] for image_id in ids], prepare.prepare_references)
        texts = prepare.prepare_hypotheses(
            [system[image_id] for system in systems.values() for image_id in ids]
        )
        tokens = {name: texts[k * len(ids) : (k + 1) * len(ids)] for k, name in enumerate(systems)}
        tables = {name: _pure_tables(tokens[name], refs, chosen) for name in systems}
        if meteor is not None:
            for name in systems:
                tables[name] |= meteor.table(tokens[name], refs)
    signed = signature(prepare, chosen, len(ids), data, split)
    order = [key for metric in chosen for key in _keys(metric)]
    return {
        name: Scores(tuple(ids), tuple(tokens[name]), {key: tables[name][key] for key in order}, signed)
        for name in systems
    }


def _known(metrics: Sequence[str]) -> list[str]:
    unknown = sorted(set(metrics) - set(KNOWN_METRICS))
    if unknown or not metrics:
        raise ScoringError(
            f"Unknown metrics {', '.join(unknown) or '(none given)'}; known: {', '.join(KNOWN_METRICS)}."
        )
    return [metric for metric in KNOWN_METRICS if metric in metrics]


def _keys(metric: str) -> list[str]:
    return [f"BLEU-{order}" for order in (1, 2, 3, 4)] if metric == "BLEU" else [metric]


def _pure_tables(
    texts: Sequence[str], refs: Sequence[Sequence[str]], metrics: Sequence[str]
) -> dict[str, MetricTable]:
    tables: dict[str, MetricTable] = {}
    for metric in metrics:
        if metric in _PURE:
            tables |= _PURE[metric](texts, refs)
    return tables


def _prepare_references(
    references: Sequence[Sequence[str]], prepare: Callable[[Sequence[str]], list[str]]
) -> list[list[str]]:
    """Prepare all references in one call, then give each image its own back."""
    flat = iter(prepare([text for texts in references for text in texts]))
    return [[next(flat) for _ in texts] for texts in references]


def _check_images(name: str, hypotheses: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> None:
    if not references:
        raise ScoringError("There is nothing to score: no image has references.")
    _refuse(f"Images of {name} without a hypothesis", references.keys() - hypotheses.keys())
    _refuse(f"Hypotheses of {name} for images without references", hypotheses.keys() - references.keys())
    _refuse(
        "Images with an empty list of references",
        [key for key, texts in references.items() if not len(texts)],
    )


def _refuse(what: str, ids: Iterable[str]) -> None:
    named = sorted(ids)
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        raise ScoringError(f"{what}: {', '.join(named[:5])}{more}.")
