"""What the service asks of a loaded captioner, pictures in any mode made ready first; it holds no state, no
torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipcap_ext.caption import Caption, Captioner, DecodingOptions
from clipcap_ext.errors import UsageError

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from clipcap_ext.engine.sbg.edit import KeywordEdit
    from clipcap_ext.engine.sbg.explain import Explanation


def captions_of(
    captioner: Captioner, images: Sequence[Image.Image], options: DecodingOptions | None,
    keys: Sequence[str] | None, score: bool,
) -> tuple[Caption, ...]:  # fmt: skip
    """Captions of pictures in any mode; with `score` every candidate has its similarity, whatever ranked
    them.

    An encoder without a text tower has no similarity to give, and the candidates are left without.
    """
    from clipcap_ext.engine.images.reading import to_rgb

    pictures = [to_rgb(image) for image in images]
    if not score or not captioner.encoder.reads_text:
        return tuple(captioner.caption(pictures, options, keys=keys))
    from clipcap_ext.engine.checkpoint.fingerprint import pixel_key

    features = captioner.encoder.encode_image(pictures)  # (B, clip_dim)
    names = [pixel_key(picture) for picture in pictures] if keys is None else keys
    return _scored(captioner, features, captioner.caption_features(features, names, options))


def explanation_of(
    captioner: Captioner, image: Image.Image, options: DecodingOptions | None, edit: KeywordEdit | None
) -> Explanation:
    """One picture's caption and why; UsageError if the model does not guess from keywords."""
    from clipcap_ext.engine.images.reading import to_rgb
    from clipcap_ext.engine.sbg.captioner import SbgCaptioner
    from clipcap_ext.engine.sbg.explain import explain_image

    if not isinstance(captioner, SbgCaptioner):
        raise UsageError(f"{captioner.name} has no keywords to explain or edit: choose a model of kind sbg.")
    return explain_image(captioner, to_rgb(image), options, edit)


def _scored(captioner: Captioner, features: torch.Tensor, captions: Sequence[Caption]) -> tuple[Caption, ...]:
    """The captions, each candidate with its cosine with its image's features (B, clip_dim); their order
    stays."""
    from clipcap_ext.engine.captioner import rank_by_similarity

    ranked = rank_by_similarity(captioner.encoder, features, [caption.candidates for caption in captions])
    scored = []
    for caption, group in zip(captions, ranked, strict=True):
        cosine = {candidate.text: candidate.similarity for candidate in group}
        candidates = tuple(replace(one, similarity=cosine[one.text]) for one in caption.candidates)
        scored.append(replace(caption, candidates=candidates))
    return tuple(scored)
