"""What an evaluation is asked for, checked before any work; the command line and `reproduce` both fill it
in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.dataset import EvaluationSplit, load_split
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.metrics import KNOWN_METRICS, METRICS, PROTOCOLS


@dataclass(frozen=True)
class EvaluationRequest:
    """Which images of which data set, under which protocol, and how the figures are made."""

    data: Path
    split: str = "test"
    protocol: str = "standard"
    metrics: tuple[str, ...] = METRICS
    layout: str = "auto"
    images: Path | None = None
    limit: int | None = None
    batch_size: int = 16
    device: str = "cpu"
    seed: int = 0
    resamples: int = 1000
    allow_training_images: bool = False
    clip_score: str = ""  # the encoder that gives CLIPScore; empty is none
    human: bool = False  # also score each reference against the others

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UsageError(f"Unknown protocol {self.protocol!r}; known: {', '.join(PROTOCOLS)}.")
        unknown = sorted(set(self.metrics) - set(KNOWN_METRICS))
        if unknown or not self.metrics:
            raise UsageError(
                f"Unknown metrics {', '.join(unknown) or '(none)'}; known: {', '.join(KNOWN_METRICS)}."
            )
        if self.batch_size < 1 or self.resamples < 1:
            raise UsageError("--batch-size and --resamples must be at least 1.")

    def load(self) -> EvaluationSplit:
        """The images asked for; the protocol says by which scheme the data set is split."""
        scheme = PROTOCOLS[self.protocol].scheme
        return load_split(self.data, self.split, scheme, self.layout, self.images).first(self.limit)

    @property
    def needs_java(self) -> bool:
        """Whether the scores are made by Java programs."""
        return PROTOCOLS[self.protocol].needs_java or bool({"METEOR", "SPICE"} & set(self.metrics))

    @property
    def bootstrap(self) -> Bootstrap:
        """How confidence intervals are made."""
        return Bootstrap(samples=self.resamples, seed=self.seed)
