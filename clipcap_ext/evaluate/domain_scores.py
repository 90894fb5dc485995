"""The figures of each domain of a data set that has some, as nocaps does; never of the whole split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.metrics import Scores, score
from clipcap_ext.metrics.metric import Judge, Objects


def domain_scores(
    captions: Mapping[str, str],
    split: EvaluationSplit,
    request: EvaluationRequest,
    judge: Judge | None,
    objects: Objects | None = None,
) -> dict[str, Any]:
    """`domains` of results.json: by domain the number of images, the signature and the figures; nothing where
    the data set has none.

    A domain is scored by itself, as nocaps' server does: CIDEr-D counts documents in the images it scores.
    """
    made: dict[str, Any] = {}
    for domain, ids in split.domains.items():
        own = {image_id: captions[image_id] for image_id in ids if image_id in captions}
        if own:
            scores = score(
                own, {image_id: split.references[image_id] for image_id in own}, request.protocol,
                request.metrics, data=split.corpus.name, split=f"{split.label}-{domain}", judge=judge,
                objects=objects,
            )  # fmt: skip
            made[domain] = {
                "images": len(own), "signature": scores.signature, "results": with_intervals(scores, request)
            }  # fmt: skip
    return {"domains": made} if made else {}


def with_intervals(scores: Scores, request: EvaluationRequest) -> dict[str, dict[str, Any]]:
    """Metric -> value and interval."""
    intervals = request.bootstrap.intervals(scores.tables)
    return {
        name: {"value": value, "interval": list(intervals[name])} for name, value in scores.values.items()
    }
