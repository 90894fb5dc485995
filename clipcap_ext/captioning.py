"""What captions pictures, as its users see it: protocols, and the two steps of the work; nothing here does
it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clipcap_ext.caption import Caption, DecodingOptions

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Looked:
    """One picture after the encoder: features (clip_dim and concepts), and what seeds its sampling."""

    features: Tensor
    key: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """One picture before the encoder: its pixels as the encoder takes them (3, size, size), and what seeds
    its sampling."""

    pixels: Tensor
    key: str


def _as_it_is(image: Image.Image) -> Any:
    return image


@dataclass(frozen=True)
class Captioning:
    """Captions in steps, so that pictures are made ready in threads, few encoded at a time and many captions
    decoded together.

    look: pictures, or what `prepare` made of them, to what is seen of each; say: what was seen, of any number
    of pictures, to their captions. `prepare` is called by threads that work ahead, and needs no turn.
    in_turns: those threads rest while it looks and says, for it takes every core (see ahead.py).
    """

    look: Callable[[Sequence[Any]], Sequence[Any]]
    say: Callable[[Sequence[Any]], Sequence[Caption]]
    prepare: Callable[[Image.Image], Any] = _as_it_is
    in_turns: bool = False


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
        """Length of a feature vector in the space that texts share."""
        ...

    @property
    def cosine_scale(self) -> float:
        """What its training multiplied cosines of images and texts by."""
        ...

    @property
    def concept_words(self) -> tuple[str, ...]:
        """Words whose probabilities stand behind those numbers in an image's vector; mostly none."""
        ...

    @property
    def fingerprint(self) -> str:
        """A digest of weights and preprocessing: the same digest, the same features."""
        ...

    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """Pictures, or a preprocessed batch (B, 3, H, W) -> (B, clip_dim)."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> (B, clip_dim) of unit norm; UsageError where `reads_text` is False."""
        ...


class Captioner(Protocol):
    """Anything that turns images into captions: ClipCap, SBG or a baseline."""

    @property
    def name(self) -> str:
        """The checkpoint's, as captions carry it."""
        ...

    @property
    def default_options(self) -> DecodingOptions:
        """What gives the model's best captions."""
        ...

    @property
    def encoder(self) -> Encoder:
        """What it looks through."""
        ...

    def caption(
        self,
        images: Sequence[Image.Image | Prepared],
        options: DecodingOptions | None = None,
        *,
        keys: Sequence[str] | None = None,
        score: bool = False,
    ) -> list[Caption]:
        """Caption images; `keys` seed each image's own randomness (default: a digest of its pixels).

        `score` gives every candidate its similarity, whatever ranked them, if the encoder reads text.
        """
        ...

    def quick_numbers(self, options: DecodingOptions) -> str:
        """`int8` or `bf16` where captions asked for so are reckoned in them, on this machine and by this
        model; else nothing."""
        ...

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Prepared:
        """One picture made ready for `look`, by any thread."""
        ...

    def look(
        self,
        images: Sequence[Image.Image | Prepared],
        options: DecodingOptions | None = None,
        *,
        keys: Sequence[str] | None = None,
    ) -> list[Looked]:
        """The first half of `caption`: encode images in one batch."""
        ...

    def caption_looked(
        self, looked: Sequence[Looked], options: DecodingOptions | None = None, *, score: bool = False
    ) -> list[Caption]:
        """The other half, for any number of pictures: as many together as do decoding good."""
        ...

    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from `features` (B, clip_dim) as the captioner's own encoder made them."""
        ...

    def to(self, device: torch.device | str) -> Captioner:
        """Move all weights in place; returns self."""
        ...
