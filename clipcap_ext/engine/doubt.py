"""When a captioner is not sure: one measure of a caption against a threshold found on photos it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from clipcap_ext.caption import MEASURES, Candidate, Caption, Doubt
from clipcap_ext.captioning import Encoder
from clipcap_ext.engine.clip.similarity import exact_cosines
from clipcap_ext.engine.concepts.evidence import says
from clipcap_ext.engine.judging.shortening import shortened
from clipcap_ext.errors import UsageError

MOST = 5  # of an image's concepts, the surest, that a caption may name


@dataclass(frozen=True)
class DoubtRule:
    """Below `least` a caption's `measure`, one of MEASURES, means that the model is not sure of it.

    It is all the same where the caption names what the classifier saw with a probability of `seen`."""

    measure: str
    least: float
    seen: float = 2.0

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise UsageError(f"doubt is measured by {', '.join(MEASURES)}, not by {self.measure!r}.")

    @classmethod
    def of_config(cls, table: Mapping[str, Any]) -> DoubtRule | None:
        """The rule that a checkpoint's config.json holds under "doubt"; None where it holds none."""
        if not table:
            return None
        return cls(str(table["measure"]), float(table["least"]), float(table.get("seen", cls.seen)))

    def apply(self, captions: Sequence[Caption], features: Tensor, encoder: Encoder) -> list[Caption]:
        """The captions of features (B, clip_dim and the encoder's concepts), each with its doubt."""
        values = measured(self.measure, captions, features, encoder)
        named = named_evidence([caption.text for caption in captions], features, encoder)
        return [
            replace(caption, doubt=Doubt(self.measure, value, self.least))
            if value < self.least and probability < self.seen
            else caption
            for caption, value, probability in zip(captions, values, named, strict=True)
        ]


def shortened_where_unsure(captions: Sequence[Caption]) -> list[Caption]:
    """The captions, those in doubt led by what they are about; its likelihood is that of the whole."""
    return [_led_by(caption, shortened(caption.text)) if caption.doubt else caption for caption in captions]


def _led_by(caption: Caption, short: str) -> Caption:
    if short == caption.text:
        return caption
    others = tuple(one for one in caption.candidates if one.text != short)
    led = Candidate(short, caption.candidates[0].avg_logprob)
    return replace(caption, text=short, candidates=(led, *others))


def measured(measure: str, captions: Sequence[Caption], features: Tensor, encoder: Encoder) -> list[float]:
    """One of MEASURES of each caption; features: (B, clip_dim and the encoder's concepts)."""
    best = [caption.candidates[0] for caption in captions]
    if measure == "logprob":
        return [candidate.avg_logprob for candidate in best]
    if measure == "evidence":
        return features[:, encoder.clip_dim :].float().cpu().amax(dim=-1).tolist()
    known = [candidate.similarity for candidate in best if candidate.similarity is not None]
    if len(known) == len(best):  # ranked or scored by it already
        return known
    cosines = exact_cosines(features[:, : encoder.clip_dim], encoder.encode_text([one.text for one in best]))
    return cosines.diagonal().tolist()


def named_evidence(texts: Sequence[str], features: Tensor, encoder: Encoder) -> list[float]:
    """Of each text the probability of the surest concept of its image that it names; 0 where it names none.
    features: (B, clip_dim and concepts)."""
    words = encoder.concept_words
    rows = features[:, features.shape[1] - len(words) :].float().cpu()
    best = [row.argsort(descending=True)[:MOST].tolist() for row in rows]
    return [
        max((float(row[place]) for place in places if says(text, words[place])), default=0.0)
        for text, row, places in zip(texts, rows, best, strict=True)
    ]
