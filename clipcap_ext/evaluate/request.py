"""What an evaluation is asked for, checked before any work; the command line and `reproduce` both fill it
in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.corpus.splits import HELD_SHARE
from clipcap_ext.errors import ScoringError, UsageError
from clipcap_ext.evaluate.dataset import EvaluationSplit, load_split, scheme_and_part
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.metrics import DEFAULT_METRICS, PROTOCOLS
from clipcap_ext.metrics.chair import CHAIR
from clipcap_ext.metrics.clip_score import CLIP_SCORE
from clipcap_ext.metrics.known import find_metrics, needs_of


@dataclass(frozen=True)
class EvaluationRequest:
    """Which images of which data set, under which protocol, and how the figures are made."""

    data: Path
    split: str = "test"  # a part, a scheme or both; the protocol has no say in it
    protocol: str = "standard"
    metrics: tuple[str, ...] = DEFAULT_METRICS
    layout: str = "auto"
    images: Path | None = None
    limit: int | None = None
    positions: bool = False  # numbers in a file of captions count from 0 in the data set's list
    batch_size: int = 16
    device: str = "auto"
    seed: int = 0
    resamples: int = 1000
    allow_training_images: bool = False
    clip_score: str = ""  # the encoder of CLIPScore and any metric that looks at photos; empty is none
    instances: Path | None = None  # COCO's instances file, or the folder of several: CHAIR's objects
    human: bool = False  # also score each reference against the others

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UsageError(f"Unknown protocol {self.protocol!r}; known: {', '.join(PROTOCOLS)}.")
        self._check_metrics()
        scheme_and_part(self.split)
        if self.batch_size < 1 or self.resamples < 1:
            raise UsageError("--batch-size and --resamples must be at least 1.")

    def _check_metrics(self) -> None:
        """Each is known, and has what it needs. --clip-score asks for CLIPScore, --instances for CHAIR."""
        asked = [*self.metrics, *([CLIP_SCORE.name] if self.clip_score else [])]
        asked += [CHAIR.name] if self.instances else []
        try:
            chosen = find_metrics(asked)
        except ScoringError as error:
            raise UsageError(str(error)) from error
        judged = [metric.name for metric in chosen if metric.judged]
        if judged and not self.clip_score:
            raise UsageError(f"{', '.join(judged)} needs an encoder: name one with --clip-score ENCODER.")
        annotated = [metric.name for metric in chosen if metric.annotated]
        if annotated and self.instances is None:
            raise UsageError(
                f"{', '.join(annotated)} needs the objects that people marked in the photos: name COCO's "
                "instances_*.json, or the folder that holds them, with --instances."
            )
        object.__setattr__(self, "metrics", tuple(metric.name for metric in chosen))

    def load(self, *, pictures: bool = True, share: float = HELD_SHARE) -> EvaluationSplit:
        """The images asked for. Without `pictures` their files need not be there; share: what the random
        split sets aside."""
        scheme, part = scheme_and_part(self.split)
        split = load_split(self.data, part, scheme, self.layout, self.images, pictures=pictures, share=share)
        return split.first(self.limit)

    @property
    def scheme(self) -> str:
        """How the data set is split."""
        return scheme_and_part(self.split)[0]

    @property
    def needs(self) -> list[Callable[[], object]]:
        """Checks that raise a ScoringError where something that the scores need is missing."""
        return needs_of(self.protocol, self.metrics)

    @property
    def bootstrap(self) -> Bootstrap:
        """How confidence intervals are made."""
        return Bootstrap(samples=self.resamples, seed=self.seed)
