"""Captions from a file to results.json; no model and no torch is loaded, unless a metric looks at photos."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.evaluate.caption_scores import check_scorer, score_captions
from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.hypotheses.matching import match
from clipcap_ext.evaluate.hypotheses.reading import read_hypotheses
from clipcap_ext.evaluate.instances import marked_objects
from clipcap_ext.evaluate.report.results import file_fingerprint, provenance
from clipcap_ext.evaluate.request import EvaluationRequest

if TYPE_CHECKING:
    from clipcap_ext.evaluate.judge import ClipJudge

UNKNOWN_RANKER = "CLIPScore means little if its encoder chose these captions, which their file does not say."


def evaluate_hypotheses(
    path: Path, request: EvaluationRequest, say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Score captions that a file holds; only CLIPScore needs the photos themselves.

    Images without a caption are not scored and, like captions of other images, counted and named.
    """
    check_scorer(request)
    rows = read_hypotheses(path)
    whole = request.load(pictures=bool(request.clip_score))
    matched = match(path, rows, whole.corpus.examples, whole.numbering if request.positions else None)
    split, captions = whole.having(matched.captions), matched.captions
    objects = marked_objects(request.instances, split.corpus.examples)
    say(
        f"{path.name}: scoring {len(captions)} captions of {split.corpus.name} ({split.label}), "
        f"{request.protocol}"
    )
    start = time.perf_counter()
    judge, notes = _judge(request, split)
    figures = score_captions(captions, split, request, judge, objects)
    figures["notes"] += [*matched.told(), *notes, *([] if judge is None else [UNKNOWN_RANKER])]
    return {
        **provenance(), "kind": "captions",
        "hypotheses": {
            "file": path.name, "fingerprint": file_fingerprint(path), "captions": len(rows),
            "unknown": list(matched.unknown), "without_caption": list(matched.lacking),
        },
        "problems": [str(problem) for problem in split.problems],
        "seconds": {"scoring": round(time.perf_counter() - start, 2)}, **figures,
    }  # fmt: skip


def _judge(request: EvaluationRequest, split: EvaluationSplit) -> tuple[ClipJudge | None, list[str]]:
    if not request.clip_score:
        return None, []
    from clipcap_ext.evaluate.judge import load_judge

    return load_judge(request, split)
