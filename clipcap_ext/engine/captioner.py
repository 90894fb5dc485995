"""What every captioner over CLIP features does alike: features from pictures, keys, distinct candidates,
ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.captioning import Encoder, Looked, Prepared
from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.engine.checkpoint.folder import Vocabulary
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.similarity import exact_cosines, nearest_first
from clipcap_ext.engine.consensus import AGREEMENT, agreements, sampling_beside
from clipcap_ext.engine.doubt import DoubtRule, shortened_where_unsure
from clipcap_ext.engine.own_kinds import OWN_KINDS_LACK
from clipcap_ext.engine.precision.copies import LanguageCopies, asks_for_quick
from clipcap_ext.engine.precision.quick import quick_here

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Self  # in `typing` from Python 3.11 on

LIKELIHOOD = 7.0  # of a mean log-probability in a score; chosen on Flickr8k's development photos
DECODED_ROWS = 64  # beams and candidates decoded side by side: more are no faster on a CPU, and need memory
SMALL = 20_000_000  # parameters of a model to which that does not apply: three times as many save a fifth
Model = TypeVar("Model", bound=nn.Module)
Tokenizer = TypeVar("Tokenizer", bound=Vocabulary)


class FeatureCaptioner(Generic[Model, Tokenizer]):
    """The part of a Captioner (see captioning.py) that leaves the words to `caption_features` of its kind."""

    def __init__(
        self, name: str, encoder: ClipEncoder, model: Model, tokenizer: Tokenizer,
        default_options: DecodingOptions,
    ) -> None:  # fmt: skip
        """model: what writes the words."""
        self.name = name
        self.encoder = encoder
        self.model = model
        self.tokenizer = tokenizer
        self.default_options = default_options
        self.doubt_rule: DoubtRule | None = None
        self.source: Path | None = None  # the file `model` was read from, while it is as it was there

    def caption(
        self,
        images: Sequence[Image.Image | Prepared],
        options: DecodingOptions | None = None,
        *,
        keys: Sequence[str] | None = None,
        score: bool = False,
    ) -> list[Caption]:
        """Caption images, encoded in one batch; `keys` (default: `keys_of`) seed each image's sampling.

        `score` gives every candidate its similarity, whatever ranked them, if the encoder reads text.
        """
        return self.caption_looked(self.look(images, options, keys=keys), options, score=score)

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Prepared:
        """One picture made ready for `look`, by any thread."""
        return Prepared(self.encoder.preprocess(image), self.keys_of([image], options)[0])

    def look(
        self,
        images: Sequence[Image.Image | Prepared],
        options: DecodingOptions | None = None,
        *,
        keys: Sequence[str] | None = None,
    ) -> list[Looked]:
        """The first half of `caption`: encode images in one batch."""
        if not images:
            return []
        ready = [one if isinstance(one, Prepared) else self.prepare(one, options) for one in images]
        names = [one.key for one in ready] if keys is None else keys
        features = self.image_features(torch.stack([one.pixels for one in ready]), options)
        return [Looked(row, name) for row, name in zip(features, names, strict=True)]

    def caption_looked(
        self, looked: Sequence[Looked], options: DecodingOptions | None = None, *, score: bool = False
    ) -> list[Caption]:
        """The other half, for any number of pictures: `decoded_rows` beams or candidates together."""
        chosen = options or self.default_options
        chosen.check_without(OWN_KINDS_LACK)
        samples = sampling_beside(chosen)
        rows = max(chosen.num_beams, chosen.num_candidates, samples.num_candidates if samples else 0)
        width = max(1, self.decoded_rows // rows)
        parts = [looked[start : start + width] for start in range(0, len(looked), width)]
        return [caption for part in parts for caption in self._caption_part(part, options, score)]

    @property
    def decoded_rows(self) -> int:
        """How many beams and candidates are decoded side by side."""
        parameters = sum(weights.numel() for weights in self.model.parameters())
        return 3 * DECODED_ROWS if parameters < SMALL else DECODED_ROWS

    def _caption_part(
        self, looked: Sequence[Looked], options: DecodingOptions | None, score: bool
    ) -> list[Caption]:
        features = torch.stack([one.features for one in looked])  # (B, clip_dim)
        captions = self.caption_features(features, [one.key for one in looked], options)
        if score and self.encoder.reads_text:
            captions = self._scored(features, captions, options)
        return self.with_doubt(features, captions, options)

    @property
    def copies(self) -> LanguageCopies | None:
        """What stands in for this kind's GPT-2, or drafts for it; None where it has none."""
        return None

    def quick_numbers(self, options: DecodingOptions) -> str:
        """`int8` or `bf16` where captions asked for so are reckoned in them, on this machine and by this
        model."""
        found = quick_here() if asks_for_quick(options, self.encoder.device.type) else None
        if found is None:
            return ""
        words = self.copies is not None and self.copies.changes
        return found.name if words or self.encoder.quick is not self.encoder else ""

    def image_features(
        self, images: Sequence[Image.Image] | Tensor, options: DecodingOptions | None
    ) -> Tensor:
        """Images, or their pixels (B, 3, H, W) -> (B, clip_dim) by this captioner's encoder, as precisely as
        the options say."""
        return (self.encoder.quick if self._is_fast(options) else self.encoder).encode_image(images)

    def ranking_encoder(self, options: DecodingOptions | None) -> ClipEncoder:
        """What reads candidates to rank them, as precisely as the options say."""
        return self.encoder.quick_reader if self._is_fast(options) else self.encoder

    def _is_fast(self, options: DecodingOptions | None) -> bool:
        return asks_for_quick(options or self.default_options, self.encoder.device.type)

    def keys_of(self, images: Sequence[Image.Image], options: DecodingOptions | None) -> list[str]:
        """A digest of each image's pixels, blank where nothing is sampled: it is slow for large pictures."""
        samples = (options or self.default_options).temperature > 0
        return [pixel_key(image) if samples else "" for image in images]

    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, clip_dim) of this captioner's encoder, in one batch."""
        raise NotImplementedError

    def with_doubt(
        self, features: Tensor, captions: list[Caption], options: DecodingOptions | None
    ) -> list[Caption]:
        """The captions of features (B, clip_dim and concepts), each with its doubt, where a rule for it is
        known, and then as short as the options say."""
        if self.doubt_rule is None:
            return captions
        doubted = self.doubt_rule.apply(captions, features, self.encoder)
        if (options or self.default_options).when_unsure == "whole":
            return doubted
        short = shortened_where_unsure(doubted)
        with_cosines = any(one.similarity is not None for caption in short for one in caption.candidates)
        return self._scored(features, short, options) if with_cosines else short

    def to(self, device: torch.device | str) -> Self:
        """Move all weights in place; returns self."""
        self.encoder.to(device)
        self.model.to(device)
        return self

    def make_captions(
        self, features: Tensor, decoded: Sequence[Sequence[Candidate]], options: DecodingOptions,
        beside: Sequence[Sequence[Candidate]] | None = None,
    ) -> list[Caption]:  # fmt: skip
        """The captions of what was decoded from features (B, clip_dim): each text once, ranked as the options
        say; beside: what else was said of each image, where that counts."""
        groups = [keep_distinct(group) for group in decoded]
        if options.rank_by != "logprob":
            groups = rank_by_similarity(self.ranking_encoder(options), features, groups)
        if options.rank_by in ("both", "consensus"):
            groups = [
                rank_by_both(
                    group,
                    self.encoder.cosine_scale,
                    consensus_credits(group, more) if options.rank_by == "consensus" else (),
                )
                for group, more in zip(groups, beside or [()] * len(groups), strict=True)
            ]
        return [Caption(group[0].text, self.name, tuple(group)) for group in groups]

    def _scored(
        self, features: Tensor, captions: Sequence[Caption], options: DecodingOptions | None
    ) -> list[Caption]:
        """The captions, each candidate with its cosine with its image's features (B, clip_dim), in their
        order."""
        groups = [caption.candidates for caption in captions]
        if all(candidate.similarity is not None for group in groups for candidate in group):
            return list(captions)
        scored = []
        ranked = rank_by_similarity(self.ranking_encoder(options), features, groups)
        for caption, group in zip(captions, ranked, strict=True):
            by_text = {candidate.text: candidate for candidate in group}
            candidates = tuple(by_text[candidate.text] for candidate in caption.candidates)
            scored.append(replace(caption, candidates=candidates))
        return scored


def keep_distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One candidate a text, the first of each."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.text, candidate)
    return list(first.values())


def rank_by_similarity(
    encoder: Encoder, features: Tensor, groups: Sequence[Sequence[Candidate]]
) -> list[list[Candidate]]:
    """Give each candidate its cosine with its image's features (B, clip_dim) and put the nearest first,
    ties as given.

    All images' candidates are encoded in one batch, each distinct text once.
    """
    texts = sorted({candidate.text for group in groups for candidate in group})
    row = {text: i for i, text in enumerate(texts)}
    read = encoder.encode_text(texts)  # (distinct texts, clip_dim)
    cosines = exact_cosines(features[:, : read.shape[1]], read)  # (B, distinct texts)
    places = [[row[candidate.text] for candidate in group] for group in groups]
    return [
        _ranked(group, row_cosines[columns])
        for group, row_cosines, columns in zip(groups, cosines, places, strict=True)
    ]


def rank_by_both(
    group: Sequence[Candidate], cosine_scale: float, credits: Sequence[float] = ()
) -> list[Candidate]:
    """Give each candidate its score, by its similarity, its likelihood and, if given, a credit (nats); the
    best first, ties as given.

    The score is the similarity, and LIKELIHOOD times the mean log-probability and the credit over
    `cosine_scale`, which turns nats into cosines of that encoder.
    """
    scored = []
    for place, candidate in enumerate(group):
        assert candidate.similarity is not None  # ranked by it before
        nats = LIKELIHOOD * candidate.avg_logprob + (credits[place] if credits else 0.0)
        scored.append(replace(candidate, score=candidate.similarity + nats / cosine_scale))
    return sorted(scored, key=lambda candidate: -(candidate.score or 0.0))


def consensus_credits(group: Sequence[Candidate], beside: Sequence[Candidate]) -> list[float]:
    """What each candidate's score gains (nats) by agreeing with the others and with what was said beside."""
    texts = [candidate.text for candidate in group]
    others = [*texts, *(candidate.text for candidate in beside)]
    return [AGREEMENT * agreement for agreement in agreements(texts, others)]


def _ranked(group: Sequence[Candidate], similarities: np.ndarray) -> list[Candidate]:
    return [replace(group[i], similarity=float(similarities[i])) for i in nearest_first(similarities)]
