"""CLIP's two towers over open_clip: images or texts to features. Normalisation lives here and nowhere
else."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.quick_tower import quick_tower
from clipcap_ext.engine.clip.text import encode_tokens
from clipcap_ext.engine.concepts.classifier import ConceptReader, encode_with_concepts
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.precision.kept import kept_maker
from clipcap_ext.engine.precision.kept_files import PICTURES, TEXTS
from clipcap_ext.engine.precision.quick import MadeAnew, quick_here
from clipcap_ext.engine.towers.clip_model import ClipModel

if TYPE_CHECKING:
    from PIL import Image


class ClipEncoder:
    """A CLIP with its own preprocessing. Features are float32, on the encoder's device.

    `reads_text` is False where there is an image tower only (imagenet.py); `encode_text` then raises a
    UsageError. With a concept reader, image features have the probability of each of `concept_words` behind
    their clip_dim numbers of CLIP space.
    """

    reads_text = True

    def __init__(
        self, clip: ClipModel, preprocess: Preprocess, tokens: Callable[[Sequence[str]], Tensor],
        config: EncoderConfig, concepts: ConceptReader | None = None, source: Path | None = None,
    ) -> None:  # fmt: skip
        """tokens: texts -> ids (B, context_length), as ClipTokens gives them; concepts: what reads the
        classifier's words, where the encoder has it; source: the file that `clip` was read from, where its
        weights are as they were there."""
        self.config = config
        self.preprocess = preprocess
        self._clip = clip.eval()
        self._tokens = tokens
        self._concepts = concepts
        self._source = source
        self._reading = threading.Lock()  # encode_tokens is for one thread at a time

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self._clip.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What it reckons in; text weights may still be as their file holds them."""
        return next(getattr(self._clip, "visual", self._clip).parameters()).dtype

    @cached_property
    def clip_dim(self) -> int:
        """Length of a vector in CLIP space."""
        projection = getattr(self._clip, "text_projection", None)
        return projection.shape[1] if isinstance(projection, Tensor) else len(self.encode_text(["a"])[0])

    @property
    def cosine_scale(self) -> float:
        """What its training multiplied cosines of images and texts by."""
        return math.exp(float(self._clip.logit_scale.detach()))

    @property
    def concept_table(self) -> ConceptTable | None:
        """What the concept reader knows, None without one."""
        return None if self._concepts is None else self._concepts.table

    @property
    def concept_words(self) -> tuple[str, ...]:
        """The words whose probabilities stand behind the clip_dim numbers of an image; none without a
        reader."""
        return () if self._concepts is None else self._concepts.table.words

    @cached_property
    def fingerprint(self) -> str:
        """A digest of weights, preprocessing and normalisation: the same digest, the same features."""
        with self._reading:
            self._spread_texts()
        digest = hashlib.sha256(repr((self.preprocess, self.config.normalize)).encode())
        digest.update(repr(self.concept_words).encode() if self._concepts else b"")
        states = [self._clip.state_dict(), self._concepts.state_dict() if self._concepts else {}]
        for name, tensor in (pair for state in states for pair in sorted(state.items())):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:32]

    @torch.no_grad()
    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """PIL images, or a batch (B, 3, H, W) already preprocessed -> (B, clip_dim), unit norm iff
        config.normalize; (B, clip_dim + concept_words) where there is a concept reader."""
        if not isinstance(images, Tensor):
            images = torch.stack([self.preprocess(image) for image in images])
        if self.device.type == "cuda" and images.device.type == "cpu":
            images = images.pin_memory().to(self.device, non_blocking=True)  # while the next are prepared
        images = images.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        if self._concepts is None:
            return self._scaled(self._clip.encode_image(images))
        features, scores = encode_with_concepts(self._clip.visual, self._concepts, images)
        return torch.cat((self._scaled(features), scores), dim=-1)

    @cached_property
    def quick(self) -> ClipEncoder:
        """This encoder with the blocks of its image tower in 8 bits or bfloat16, for a CPU; itself where it
        has none, or where nothing is quicker here."""
        return self._with_quick(PICTURES)

    @cached_property
    def quick_reader(self) -> ClipEncoder:
        """The same of its text tower."""
        with self._reading:
            self._spread_texts()
        return self._with_quick(TEXTS)

    def _with_quick(self, read: str) -> ClipEncoder:
        clip = self._quick_clip(read)
        if clip is None:
            return self
        return ClipEncoder(clip, self.preprocess, self._tokens, self.config, self._concepts)

    def _quick_clip(self, read: str) -> ClipModel | None:
        found = quick_here()
        if found is None:
            return None
        if self._source is None:
            return quick_tower(self._clip, read, MadeAnew(found))
        with kept_maker(found, self._source, read) as maker:
            return quick_tower(self._clip, read, maker)

    def _scaled(self, features: Tensor) -> Tensor:
        features = features.float()
        return nn.functional.normalize(features, dim=-1) if self.config.normalize else features

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> (B, clip_dim), always of unit norm; a text longer than the context is cut at its end."""
        tokens = self._tokens(texts).to(self.device)  # (B, context_length)
        with self._reading:
            self._spread_texts()
            features = encode_tokens(self._clip, tokens)
        return nn.functional.normalize(features.float(), dim=-1)

    @torch.inference_mode(False)
    def _spread_texts(self) -> None:
        """Bring weights that are still as their file holds them to the dtype of the image tower's."""
        dtype = self.dtype
        for parameter in self._clip.parameters():
            if parameter.dtype != dtype:
                parameter.data = parameter.data.to(dtype)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> ClipEncoder:
        """Move the weights in place; returns self."""
        self._clip.to(device=device, dtype=dtype)
        if self._concepts is not None:
            self._concepts.to(device=device, dtype=dtype)
        return self
