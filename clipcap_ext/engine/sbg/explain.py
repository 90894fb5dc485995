"""Why SBG said what it said: the tree, the candidates, and what each keyword did to the caption. It draws
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from clipcap_ext.caption import Caption, DecodingOptions, Keyword
from clipcap_ext.engine.sbg.prompt import format_prompt
from clipcap_ext.engine.sbg.tree import KeywordTree

if TYPE_CHECKING:
    from PIL import Image

    from clipcap_ext.engine.sbg.captioner import SbgCaptioner
    from clipcap_ext.engine.sbg.edit import KeywordEdit


@dataclass(frozen=True)
class Effect:
    """What leaving one keyword out does.

    `support` is how much the caption's mean log-probability a token (nats) falls without the keyword: above 0
    the keyword speaks for this caption. `caption_without` is the guess from the other keywords, with the same
    seed.
    """

    keyword: Keyword
    support: float
    caption_without: str


@dataclass(frozen=True)
class Explanation:
    """One image's caption with its prompt, the tree that led to the keywords and each keyword's effect, in
    order."""

    caption: Caption
    prompt: str
    tree: KeywordTree
    effects: tuple[Effect, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def explain(
    captioner: SbgCaptioner, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None, *,
    keywords: Sequence[Sequence[Keyword | str]] | None = None,
) -> list[Explanation]:  # fmt: skip
    """Caption each image of features (B, clip_dim) and say why; `keywords` are those to guess from, if
    edited."""
    trees = captioner.trees(features)
    chosen = [tree.keywords for tree in trees] if keywords is None else keywords
    captions = captioner.guess(features, chosen, options, keys=keys)
    return [
        Explanation(
            caption,
            format_prompt(caption.keywords),
            tree,
            _effects(captioner, features[i], caption, key, options),
        )
        for i, (caption, tree, key) in enumerate(zip(captions, trees, keys, strict=True))
    ]


def explain_image(
    captioner: SbgCaptioner, image: Image.Image, options: DecodingOptions | None = None,
    edit: KeywordEdit | None = None,
) -> Explanation:  # fmt: skip
    """Caption one picture, from edited keywords if `edit` says so, and say why."""
    features = captioner.image_features([image], options)
    keywords = None if not edit else [captioner.edit_keywords(features, edit)]
    return explain(captioner, features, captioner.keys_of([image], options), options, keywords=keywords)[0]


def _effects(
    captioner: SbgCaptioner, features: Tensor, caption: Caption, key: str, options: DecodingOptions | None
) -> tuple[Effect, ...]:
    keywords = caption.keywords
    if not keywords:
        return ()
    others = [tuple(keyword for keyword in keywords if keyword is not left_out) for left_out in keywords]
    prompts = [format_prompt(prompted) for prompted in (keywords, *others)]
    whole, *without = caption_logprobs(captioner, prompts, caption.text)
    count = len(others)
    guesses = captioner.guess(features.expand(count, -1), others, options, keys=[key] * count)
    return tuple(
        Effect(keyword, whole - logprob, guess.text)
        for keyword, logprob, guess in zip(keywords, without, guesses, strict=True)
    )


@torch.inference_mode()
def caption_logprobs(captioner: SbgCaptioner, prompts: Sequence[str], text: str) -> list[float]:
    """The mean log-probability a token (nats) of one caption after each of `prompts`."""
    ids = captioner.tokenizer.encode(f" {text}")
    room = captioner.model.config.n_positions
    prompt_embeds, mask = captioner.prompt_embeds(prompts)
    ids = ids[: room - prompt_embeds.shape[1]]
    target = torch.tensor(ids, device=captioner.model.device).expand(len(prompts), -1)  # (B, T)
    embeds = torch.cat((prompt_embeds, captioner.model.transformer.wte(target)), dim=1)
    mask = (
        torch.ones(prompt_embeds.shape[:2], dtype=torch.long, device=embeds.device) if mask is None else mask
    )
    mask = torch.cat((mask, torch.ones_like(target)), dim=1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    hidden = captioner.model.transformer(
        inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False
    )[0]
    logits = captioner.model.lm_head(hidden[:, -len(ids) - 1 : -1]).float()  # (B, T, V)
    gained = logits.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return gained.mean(dim=1).tolist()
