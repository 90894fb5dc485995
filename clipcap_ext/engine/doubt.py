"""When a captioner is not sure: one measure of a caption against a threshold found on photos it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from clipcap_ext.caption import MEASURES, Caption, Doubt, Encoder
from clipcap_ext.engine.clip.similarity import exact_cosines
from clipcap_ext.errors import UsageError


@dataclass(frozen=True)
class DoubtRule:
    """Below `least` a caption's `measure`, one of MEASURES, means that the model is not sure of it."""

    measure: str
    least: float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise UsageError(f"doubt is measured by {', '.join(MEASURES)}, not by {self.measure!r}.")

    @classmethod
    def of_config(cls, table: Mapping[str, Any]) -> DoubtRule | None:
        """The rule that a checkpoint's config.json holds under "doubt"; None where it holds none."""
        return cls(str(table.get("measure")), float(table.get("least", 0.0))) if table else None

    def apply(self, captions: Sequence[Caption], features: Tensor, encoder: Encoder) -> list[Caption]:
        """The captions of features (B, clip_dim and the encoder's concepts), each with its doubt."""
        values = self._values(captions, features, encoder)
        return [
            replace(caption, doubt=Doubt(self.measure, value, self.least) if value < self.least else None)
            for caption, value in zip(captions, values, strict=True)
        ]

    def _values(self, captions: Sequence[Caption], features: Tensor, encoder: Encoder) -> list[float]:
        if self.measure == "logprob":
            return [caption.candidates[0].avg_logprob for caption in captions]
        if self.measure == "evidence":
            return [float(row[encoder.clip_dim :].max()) for row in features.float().cpu()]
        texts = [caption.candidates[0].text for caption in captions]
        cosines = exact_cosines(features[:, : encoder.clip_dim], encoder.encode_text(texts))
        return [float(value) for value in cosines.diagonal()]
