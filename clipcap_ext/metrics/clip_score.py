"""CLIPScore and RefCLIPScore (Hessel et al.) from an encoder's cosines; it loads no encoder and no photo."""

from __future__ import annotations

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.metric import Metric, Scored
from clipcap_ext.metrics.metric_table import MetricTable, mean_table

WEIGHT, PREFIX = 2.5, "A photo depicts "
KEY, REFERENCE_KEY = "CLIPScore", "RefCLIPScore"


def clip_score(scored: Scored) -> dict[str, MetricTable]:
    """Both metrics; texts are taken as they are, not tokenised. ScoringError without an encoder."""
    if scored.judge is None:
        raise ScoringError(f"{KEY} needs an encoder that looks at the photos.")
    texts = [PREFIX + text for text in scored.captions]
    others = [[PREFIX + text for text in group] for group in scored.people]
    with_photo, with_nearest = scored.judge.cosines(scored.photos, texts, others)
    plain = clip_scores(with_photo)
    return {KEY: mean_table(plain), REFERENCE_KEY: mean_table(ref_clip_scores(plain, with_nearest))}


def clip_scores(cosines: np.ndarray) -> np.ndarray:
    """Of captions with their photos (n,) -> (n,) from 0 to 2.5: the cosine, not below 0, times 2.5."""
    return WEIGHT * np.clip(cosines, 0.0, 1.0)


def ref_clip_scores(plain: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Harmonic means of CLIPScore (n,) and each caption's cosine (n,), not below 0, with its nearest
    reference."""
    nearest = np.maximum(nearest, 0.0)
    total = plain + nearest
    return np.divide(2 * plain * nearest, total, out=np.zeros_like(total), where=total > 0)


CLIP_SCORE = Metric(KEY, f"clipscore:w{WEIGHT}:{{judge}}", clip_score, judged=True, keys=(KEY, REFERENCE_KEY))
