"""Captions of a split to the figures of results.json: values, intervals, controls, statistics; no model, no
files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipcap_ext.evaluate.control_captions import CONSTANT, control_systems
from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.domain_scores import domain_scores, with_intervals
from clipcap_ext.evaluate.people.human_line import human_line
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.evaluate.statistics.text_statistics import text_statistics
from clipcap_ext.metrics import METRICS, Scores, score_systems
from clipcap_ext.metrics.metric import Judge, Objects
from clipcap_ext.metrics.stored import stored

SYSTEM = "captions"


def check_scorer(request: EvaluationRequest) -> None:
    """ScoringError now rather than after the captioning, if what a metric needs is missing (Java, models)."""
    for need in request.needs:
        need()


def score_captions(
    captions: Mapping[str, str],
    split: EvaluationSplit,
    request: EvaluationRequest,
    judge: Judge | None = None,
    objects: Objects | None = None,
) -> dict[str, Any]:
    """The part of results.json that is about the captions; images of the split without a caption are left
    out. judge: the encoder of metrics that look at photos; objects: what people marked in them."""
    references = {image_id: refs for image_id, refs in split.references.items() if image_id in captions}
    systems = {SYSTEM: dict(captions), **control_systems(captions, request.seed)}
    data = split.corpus.name
    scored = score_systems(
        systems, references, request.protocol, request.metrics, data=data, split=split.label, judge=judge,
        objects=objects,
    )  # fmt: skip
    main = scored.pop(SYSTEM)
    return {
        "signature": main.signature,
        "results": with_intervals(main, request),
        "controls": {name: _control(name, systems[name], scores) for name, scores in scored.items()},
        **domain_scores(captions, split, request, judge, objects),
        **_human(references, request),
        "statistics": _statistics(main),
        "data": {
            "name": data, "split": split.label, "protocol": request.protocol,
            "scheme": request.scheme, "images": len(captions),
            "references": sum(map(len, references.values())),
        },
        "bootstrap": {**vars(request.bootstrap), "method": "percentiles over resampled images"},
        "notes": _notes(len(captions), request),
        "images": {
            image_id: {"caption": captions[image_id], "scores": scores}
            for image_id, scores in main.per_image.items()
        },
        "image_statistics": stored(main.tables),
    }  # fmt: skip


def _human(references: Mapping[str, Sequence[str]], request: EvaluationRequest) -> dict[str, Any]:
    """People's own line, by the metrics that need the texts alone."""
    readers = [name for name in request.metrics if not METRICS[name].judged and not METRICS[name].annotated]
    return {"human": human_line(references, request.protocol, readers)} if request.human and readers else {}


def _notes(images: int, request: EvaluationRequest) -> list[str]:
    notes = [METRICS[name].alone for name in request.metrics]
    return [note for note in notes if note] if images == 1 else []


def _control(name: str, captions: Mapping[str, str], scores: Scores) -> dict[str, Any]:
    constant = {"caption": next(iter(captions.values()))} if name == CONSTANT else {}
    return {**constant, "results": scores.values, "signature": f"{scores.signature}|control:{name}"}


def _statistics(scores: Scores) -> dict[str, Any]:
    return text_statistics(scores.tokens)
