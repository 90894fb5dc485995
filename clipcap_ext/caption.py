"""The data that flows through the package: options in, captions out; it knows no torch, no files and no
interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

RANKINGS = ("logprob", "similarity")
DIGITS = 4  # of a similarity or log-probability that are told: processors differ in the last ones


@dataclass(frozen=True)
class Keyword:
    """A label chosen for one image: its text, the facet it answers and its cosine with the image."""

    text: str
    facet: str
    similarity: float


@dataclass(frozen=True)
class Candidate:
    """One decoded text, its mean log-probability a token (nats) and, where CLIP ranked, its cosine with the
    image."""

    text: str
    avg_logprob: float
    similarity: float | None = None


@dataclass(frozen=True)
class Caption:
    """What a captioner says of one image; `candidates` are best first and `text` is the first of them."""

    text: str
    model: str
    candidates: tuple[Candidate, ...]
    keywords: tuple[Keyword, ...] = ()


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class DecodingOptions:
    """How text is decoded. Combinations in which an option would do nothing are refused with a UsageError.

    Greedy is the default; `temperature` above 0 samples; `num_beams` above 1 searches.
    """

    max_new_tokens: int = _option(
        67, "Most tokens a caption may have; decoding stops earlier at a full stop."
    )
    num_beams: int = _option(1, "Beam search width; 1 is greedy or, with a temperature, sampling.")
    temperature: float = _option(
        0.0, "0 takes the likeliest token; above 0 samples, 1 as the model learnt it."
    )
    top_k: int = _option(0, "Sample among the k likeliest tokens only; 0 is all.")
    top_p: float = _option(1.0, "Sample among the likeliest tokens that make up this probability; 1 is all.")
    num_candidates: int = _option(1, "Captions made per image (samples, or the best beams), best first.")
    rank_by: str = _option("logprob", "Order of the candidates: logprob, or similarity to ask CLIP.")
    no_repeat_ngram_size: int = _option(0, "Never say the same n word pieces twice; 0 is off, 3 stops loops.")
    length_penalty: float = _option(
        1.0, "Beams are ranked by log-probability / length ** this; above 1 favours long."
    )
    seed: int | None = _option(
        None, "Seed of the sampling; with the same seed an image gets the same caption."
    )

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_combinations()

    def _check_ranges(self) -> None:
        bounds = {
            "max_new_tokens": (1, 1024), "num_beams": (1, 64), "temperature": (0.0, 10.0),
            "top_k": (0, 1_000_000),
            "num_candidates": (1, 64), "no_repeat_ngram_size": (0, 64), "length_penalty": (-10.0, 10.0),
        }  # fmt: skip
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.name in bounds:
                integral = isinstance(spec.default, int)
                low, high = bounds[spec.name]
                if isinstance(value, bool) or not isinstance(value, int if integral else (int, float)):
                    kind = "a whole number" if integral else "a number"
                    raise UsageError(f"{spec.name} must be {kind}, not {value!r}.")
                if not low <= value <= high:
                    raise UsageError(f"{spec.name} must be from {low} to {high}, not {value}.")
        if not isinstance(self.top_p, (int, float)) or not 0 < self.top_p <= 1:
            raise UsageError(f"top_p must be above 0 and at most 1, not {self.top_p!r}.")
        if self.rank_by not in RANKINGS:
            raise UsageError(f"rank_by must be one of {', '.join(RANKINGS)}, not {self.rank_by!r}.")
        if self.seed is not None and (isinstance(self.seed, bool) or not isinstance(self.seed, int)):
            raise UsageError(f"seed must be a whole number or left out, not {self.seed!r}.")

    def _check_combinations(self) -> None:
        sampling, beams = self.temperature > 0, self.num_beams > 1
        if sampling and beams:
            raise UsageError(
                "temperature (sampling) and num_beams (search) exclude each other: set one of them."
            )
        if not sampling:
            for name, off in (("top_k", 0), ("top_p", 1.0), ("seed", None)):
                if getattr(self, name) != off:
                    raise UsageError(
                        f"{name} does nothing at temperature 0: raise the temperature or leave it out."
                    )
            if self.num_candidates > self.num_beams:
                raise UsageError(
                    f"{self.num_candidates} candidates need sampling (temperature above 0) or at least as "
                    f"many beams; num_beams is {self.num_beams}."
                )
        if not beams and self.length_penalty != 1.0:
            raise UsageError(
                "length_penalty does nothing without beams: set num_beams to 2 or more or leave it out."
            )
        if self.num_candidates == 1 and self.rank_by != "logprob":
            raise UsageError(
                "rank_by similarity needs at least 2 candidates to choose from: raise num_candidates."
            )

    @property
    def strategy(self) -> str:
        """`greedy`, `sampling` or `beams`."""
        if self.num_beams > 1:
            return "beams"
        return "sampling" if self.temperature > 0 else "greedy"

    def with_changes(self, **changes: Any) -> DecodingOptions:
        """A copy with some options changed, validated again; unknown names are a UsageError."""
        known = [spec.name for spec in fields(self)]
        for name in changes:
            if name not in known:
                raise UsageError(f"Unknown decoding option {name!r}; known: {', '.join(known)}.")
        return replace(self, **changes)


class Encoder(Protocol):
    """What a captioner looks through: images, and mostly texts, to features of one space. See engine/clip."""

    reads_text: bool

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        ...

    @property
    def clip_dim(self) -> int:
        """Length of a feature vector."""
        ...

    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """Pictures, or a preprocessed batch (B, 3, H, W) -> (B, clip_dim)."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> (B, clip_dim) of unit norm; UsageError where `reads_text` is False."""
        ...


class Captioner(Protocol):
    """Anything that turns images into captions: ClipCap, SBG or a baseline."""

    name: str
    default_options: DecodingOptions
    encoder: Encoder

    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions | None = None,
        *,
        keys: Sequence[str] | None = None,
    ) -> list[Caption]:
        """Caption images; `keys` seed each image's own randomness (default: a digest of its pixels)."""
        ...

    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from `features` (B, clip_dim) as the captioner's own encoder made them."""
        ...

    def to(self, device: torch.device | str) -> Captioner:
        """Move all weights in place; returns self."""
        ...
