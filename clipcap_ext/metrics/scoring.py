"""From hypotheses and references to scores with their signature; it holds no metric itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from clipcap_ext.errors import ScoringError, first_of
from clipcap_ext.metrics.known import DEFAULT_METRICS, find_metrics
from clipcap_ext.metrics.metric import Compute, Judge, Metric, Objects, Scored
from clipcap_ext.metrics.metric_table import MetricTable
from clipcap_ext.metrics.protocols import Protocol, get_protocol
from clipcap_ext.metrics.signature import signature


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
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    data: str = "unnamed",
    split: str = "all",
    judge: Judge | None = None,
    photos: Mapping[str, str] | None = None,
    objects: Objects | None = None,
) -> Scores:
    """Score one caption an image against its references; both are keyed by image_id.

    Needs Java for the protocol `standard`, for METEOR and SPICE; `score(h, r, "words", ["CIDEr-D"])` needs
    none. judge: the encoder of metrics that look at photos. photos: whose photo a key means, where one has
    several captions and so several keys. objects: what people marked in each photo.
    Raises ScoringError where images do not match, there are no references, or a metric cannot run.
    """
    systems = {"system": hypotheses}
    return score_systems(
        systems, references, protocol, metrics, data=data, split=split, judge=judge, photos=photos,
        objects=objects,
    )["system"]  # fmt: skip


def score_systems(
    systems: Mapping[str, Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    protocol: str = "standard",
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    data: str = "unnamed",
    split: str = "all",
    judge: Judge | None = None,
    photos: Mapping[str, str] | None = None,
    objects: Objects | None = None,
) -> dict[str, Scores]:
    """`score` for several systems over the same references; METEOR's slow start is paid once."""
    chosen, prepare = find_metrics(metrics), get_protocol(protocol)
    for name, hypotheses in systems.items():
        _check_images(name, hypotheses, references)
    ids = sorted(references)
    signed = signature(prepare, [metric.part(judge) for metric in chosen], len(ids), data, split)
    people = [references[image_id] for image_id in ids]
    with ExitStack() as programs:
        started = {
            metric.name: programs.enter_context(metric.start())
            for metric in chosen
            if metric.start is not None
        }
        captions = {name: [system[image_id] for image_id in ids] for name, system in systems.items()}
        refs, texts = _prepare(prepare, people, list(captions.values()))
        owners = [photos[image_id] for image_id in ids] if photos else ids
        seen = {
            name: Scored(next(texts), refs, captions_of_system, people, owners, judge, objects)
            for name, captions_of_system in captions.items()
        }
        tables = _tables(seen, chosen, started)
    return {
        name: Scores(tuple(ids), tuple(scored.hypotheses), tables[name], signed)
        for name, scored in seen.items()
    }


def _tables(
    systems: Mapping[str, Scored], metrics: Sequence[Metric], started: Mapping[str, Compute]
) -> dict[str, dict[str, MetricTable]]:
    """System -> key -> table, in the metrics' order; programs that are still starting are asked last."""
    tables: dict[str, dict[str, MetricTable]] = {name: {} for name in systems}
    for metric in sorted(metrics, key=lambda late: late.name in started):
        compute = started.get(metric.name, metric.compute)
        assert compute is not None  # it has start or compute
        for name, scored in systems.items():
            tables[name] |= compute(scored)
    keys = [key for metric in metrics for key in metric.keys]
    return {name: {key: by_key[key] for key in keys} for name, by_key in tables.items()}


def _prepare(
    protocol: Protocol, people: Sequence[Sequence[str]], systems: Sequence[Sequence[str]]
) -> tuple[list[list[str]], Iterator[list[str]]]:
    """All references and each system's captions, prepared; in one call if both are in one manner, for a
    tokenizer may be slow to start."""
    groups = [*people, *systems]
    if protocol.prepare_references is protocol.prepare_hypotheses:
        prepared = _grouped(groups, protocol.prepare_references)
        return prepared[: len(people)], iter(prepared[len(people) :])
    return _grouped(people, protocol.prepare_references), iter(_grouped(systems, protocol.prepare_hypotheses))


def _grouped(
    groups: Sequence[Sequence[str]], prepare: Callable[[Sequence[str]], list[str]]
) -> list[list[str]]:
    """Prepare the texts of all groups in one call, then give each its own back."""
    flat = iter(prepare([text for texts in groups for text in texts]))
    return [[next(flat) for _ in texts] for texts in groups]


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
        raise ScoringError(f"{what}: {first_of(named)}.")
