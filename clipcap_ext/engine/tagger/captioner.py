"""Captions by a tagger: the tags that are probable enough, the likeliest first, with commas between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.caption import DIGITS, Candidate, Caption, DecodingOptions, Doubt, Keyword
from clipcap_ext.captioning import Looked, Prepared
from clipcap_ext.engine.tag_options import TAGGERS_LACK
from clipcap_ext.engine.tagger.looking import TagEncoder
from clipcap_ext.engine.tagger.tag_list import CHARACTER, GENERAL, RATING, Tag
from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Self  # in `typing` from Python 3.11 on

LEAST = 1e-6  # of a probability whose logarithm is taken


class TaggerCaptioner:
    """A Captioner (see captioning.py) whose captions are tags; they are its keywords too, each with its
    probability. How sure it is of a caption is told where no tag is probable enough."""

    def __init__(
        self, name: str, encoder: TagEncoder, tags: Sequence[Tag], default_options: DecodingOptions
    ) -> None:
        """tags: what the encoder's numbers stand for, in their order."""
        if not any(tag.category == GENERAL for tag in tags):
            raise CheckpointError(
                f"{name} knows no general tag, so it could not say anything of most pictures."
            )
        self.name = name
        self.encoder = encoder
        self.tags = tuple(tags)
        self.default_options = default_options

    def caption(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, score: bool = False,
    ) -> list[Caption]:  # fmt: skip
        """Tag images; nothing is drawn, so `keys` change nothing."""
        return self.caption_looked(self.look(images, options, keys=keys), options, score=score)

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Prepared:
        """One picture made ready for `look`, by any thread."""
        return Prepared(self.encoder.prepare(image), "")

    def look(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None,
    ) -> list[Looked]:  # fmt: skip
        """The first half of `caption`: the probabilities of all tags."""
        if not images:
            return []
        ready = [one if isinstance(one, Prepared) else self.prepare(one) for one in images]
        rows = self.encoder.encode_image(torch.stack([one.pixels for one in ready]))
        return [Looked(row, one.key) for row, one in zip(rows, ready, strict=True)]

    def caption_looked(
        self, looked: Sequence[Looked], options: DecodingOptions | None = None, *, score: bool = False
    ) -> list[Caption]:
        """The other half. `score` changes nothing: no text is compared."""
        if not looked:
            return []
        rows = torch.stack([one.features for one in looked])
        return self.caption_features(rows, [one.key for one in looked], options)

    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """The tags of probabilities (B, tags) as this captioner's encoder gives them."""
        chosen = options or self.default_options
        chosen.check_without(TAGGERS_LACK)
        return [self._caption(row, chosen) for row in features.numpy()]

    def quick_numbers(self, options: DecodingOptions) -> str:
        """None: a model is reckoned in what its file holds."""
        return ""

    def to(self, device: torch.device | str) -> Self:
        """Move the model; returns self."""
        self.encoder.to(device)
        return self

    def _caption(self, probabilities: np.ndarray, options: DecodingOptions) -> Caption:
        """One picture's, from (tags,)."""
        found = np.round(probabilities.astype(float), DIGITS)  # processors differ in the last digits
        order = np.argsort(-found, kind="stable")  # ties in the list's order
        least = [self._least(tag, options) for tag in self.tags]
        kept = [int(at) for at in order if found[at] >= least[at]]
        doubt = None
        if not kept:  # nothing reaches it: the likeliest, and what it lacks is said
            kept = [next(int(at) for at in order if self.tags[at].category == GENERAL)]
            doubt = Doubt("evidence", float(found[kept[0]]), options.general_threshold)
        keywords = tuple(
            Keyword(self.tags[at].written(options.underscores == "spaces"), self.tags[at].category,
                    float(found[at])) for at in kept
        )  # fmt: skip
        text = ", ".join(keyword.text for keyword in keywords)
        logprob = float(np.log(np.maximum(found[kept], LEAST)).mean())
        return Caption(text, self.name, (Candidate(text, logprob),), keywords, doubt)

    def _least(self, tag: Tag, options: DecodingOptions) -> float:
        """The probability from which on a tag is said; a rating never is."""
        if tag.category == RATING:
            return np.inf
        return options.character_threshold if tag.category == CHARACTER else options.general_threshold
