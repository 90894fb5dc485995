"""How well an encoder finds a photo by its caption and a caption by its photo; it makes no captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipcap_ext import __version__
from clipcap_ext.engine.clip.similarity import TIE, exact_cosines, rivals
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.metrics.metric import signature_word
from clipcap_ext.metrics.metric_table import MetricTable, mean_table

CUTS = (1, 5, 10)


def retrieval_tables(images: np.ndarray, texts: np.ndarray, owners: Sequence[int]) -> dict[str, MetricTable]:
    """Recall at 1, 5 and 10, both ways, as tables over images.

    images (n, d), texts (t, d): features of any norm. owners: for each text the row of its image, ascending.
    A tie, which is a cosine lower by no more than TIE, counts against the encoder. Text to image takes each
    caption as a query over all images; image to text asks whether any caption of the image is among the
    first.
    """
    cosines = exact_cosines(texts, images)  # (t, n)
    owner = np.asarray(owners)
    own = cosines[np.arange(len(owner)), owner]  # (t,)
    text_ranks = rivals(cosines, own) - 1
    best = np.full(len(images), -np.inf)
    np.maximum.at(best, owner, own)
    foreign = np.where(owner[:, None] == np.arange(len(images)), -np.inf, cosines)
    image_ranks = rivals(foreign.T, best)
    tables = {f"text-to-image R@{cut}": _of_queries(text_ranks < cut, owner, len(images)) for cut in CUTS}
    return tables | {f"image-to-text R@{cut}": mean_table((image_ranks < cut).astype(float)) for cut in CUTS}


def _of_queries(hits: np.ndarray, owner: np.ndarray, images: int) -> MetricTable:
    """Recall over texts, resampled by image: rows are the hits and the texts of an image."""
    hit_counts, asked = np.bincount(owner, hits, images), np.bincount(owner, minlength=images).astype(float)
    return MetricTable(
        float(hits.mean()), hit_counts / asked, np.stack([hit_counts, asked], axis=1), _hits_of_asked
    )


def _hits_of_asked(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def retrieval_figures(tables: dict[str, MetricTable], bootstrap: Bootstrap) -> dict[str, dict[str, Any]]:
    """Metric -> value and interval; the gallery stays whole in every resample."""
    intervals = bootstrap.intervals(tables)
    return {name: {"value": table.value, "interval": list(intervals[name])} for name, table in tables.items()}


def retrieval_signature(data: str, split: str, images: int, texts: int) -> str:
    """Such as `ret|data:flickr8k|split:karpathy-test|images:1000|texts:5000|ties:worst:1e-6|v:0.1.0`."""
    named = f"ret|data:{signature_word(data)}|split:{split}|images:{images}|texts:{texts}"
    return f"{named}|ties:worst:{TIE:.0e}|v:{__version__}".replace("e-0", "e-")
