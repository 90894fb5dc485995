"""Labels with their CLIP text features, computed once and cached; ranking is one matrix product. It chooses
nothing."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.places import cache_folder
from clipcap_ext.engine.checkpoint.safefile import read_safetensors, write_safetensors
from clipcap_ext.engine.clip.similarity import unit_rows
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.files import write_file

if TYPE_CHECKING:
    from clipcap_ext.engine.clip.encoder import ClipEncoder

BATCH = 256  # texts encoded at a time
ROWS = 1024  # of a table multiplied at a time
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelTable:
    """`features` (L, clip_dim), unit norm: one row for each of `labels` put into `template`."""

    labels: tuple[str, ...]
    template: str
    features: Tensor

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each label."""
        return {label: i for i, label in enumerate(self.labels)}

    def rows(self, labels: Sequence[str]) -> np.ndarray:
        """The rows of some labels, in their order."""
        return np.array([self.row[label] for label in labels], dtype=np.int64)

    def similarities(self, image_features: Tensor) -> np.ndarray:
        """Image features (B, clip_dim), of any norm, concepts behind them unread -> cosines (B, L), which do
        not know the batch."""
        seen = unit_rows(image_features[:, : self.features.shape[1]])
        cosines = np.empty((len(seen), len(self._unit)))
        for some in _slices(len(self._unit)):
            np.matmul(seen, self._unit[some].astype(np.float64).T, out=cosines[:, some])
        return cosines

    @cached_property
    def _unit(self) -> np.ndarray:
        """(L, clip_dim) on unit_rows' grid, whose 24 bits a float32 holds exactly."""
        unit = np.empty(tuple(self.features.shape), dtype=np.float32)
        for some in _slices(len(unit)):
            unit[some] = unit_rows(self.features[some])
        return unit


def _slices(count: int) -> list[slice]:
    """Of so many rows, few enough at a time that their float64 stay in the processor's cache."""
    return [slice(start, start + ROWS) for start in range(0, count, ROWS)]


def build_table(
    encoder: ClipEncoder, labels: Sequence[str], template: str = "{}", cache: Path | None = None
) -> LabelTable:
    """The table of `labels` (each once) in `template`, which holds one {}.

    With a `cache` folder the features are kept there under a hash of encoder, template and labels.
    """
    if template.count("{}") != 1:
        raise UsageError(f"A template holds {{}} once: {template!r} does not.")
    unique = tuple(dict.fromkeys(labels))
    path = None if cache is None else cache / f"{_digest(encoder, unique, template)}.safetensors"
    features = _recall(path, len(unique))
    if features is None:
        features = _encode(encoder, [template.replace("{}", label) for label in unique])
        _keep(path, features)
        kept = _recall(path, len(unique))  # pages of the file, which the system can take back
        features = features if kept is None else kept
    return LabelTable(unique, template, features)


def default_cache() -> Path:
    """Where tables are kept if nobody says: clipcap-ext/labels in the user's cache folder."""
    return cache_folder() / "labels"


def _encode(encoder: ClipEncoder, sentences: Sequence[str]) -> Tensor:
    parts = [encoder.encode_text(sentences[i : i + BATCH]).cpu() for i in range(0, len(sentences), BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, encoder.clip_dim)


def _digest(encoder: ClipEncoder, labels: Sequence[str], template: str) -> str:
    identity = json.dumps([encoder.fingerprint, str(encoder.dtype), template, list(labels)])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _recall(path: Path | None, count: int) -> Tensor | None:
    if path is None or not path.is_file():
        return None
    try:
        features = read_safetensors(path).get("features")
    except CheckpointError as error:
        log.warning("%s Its text features are computed again.", error)
        return None
    return features if features is not None and len(features) == count else None


def _keep(path: Path | None, features: Tensor) -> None:
    """Write whole or not at all; a folder that cannot be written costs time, not the caption."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_file(path) as part:
            write_safetensors(part, {"features": features})
    except OSError as error:
        log.warning("Text features could not be kept in %s: %s.", path.parent, error)
