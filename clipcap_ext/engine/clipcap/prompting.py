"""What stands in front of a ClipCap's caption: the image's prefix and, where the model reads it, its
evidence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.concepts.evidence import Evidence, EvidenceConfig, evidence_text

Marked = tuple[tuple[str, str], ...]  # words with their marks, the surest first


def marked_words(seen: Sequence[Evidence], tokenizer: CaptionVocabulary, config: EvidenceConfig) -> Marked:
    """An image's evidence as it is told to the model: the last words left out where the tokens would be too
    many."""
    return fitting([(word.word, config.mark(word.probability)) for word in seen], tokenizer, config)


def fitting(
    marked: Sequence[tuple[str, str]], tokenizer: CaptionVocabulary, config: EvidenceConfig
) -> Marked:
    """As many of the words, from the first on, as config.tokens hold."""
    kept = tuple(marked)
    while kept and len(tokenizer.encode(evidence_text(kept))) > config.tokens:
        kept = kept[:-1]
    return kept


def prompt_embeds(
    model: ClipCapModel, features: Tensor, tokenizer: CaptionVocabulary, evidence: Sequence[Marked]
) -> tuple[Tensor, Tensor | None]:
    """features (B, clip_dim), evidence a row -> embeds (B, P, n_embd), shorter ones padded on the left, and
    their mask (B, P), or None where all are of one length."""
    prefix = model.prefix_embeds(features)  # (B, prefix_length, n_embd)
    ids = tokenizer.encode_batch([evidence_text(marked) for marked in evidence])
    longest = max(len(row) for row in ids)
    embeds = prefix.new_zeros(len(ids), prefix.shape[1] + longest, prefix.shape[2])
    mask = torch.zeros(embeds.shape[:2], dtype=torch.long, device=prefix.device)
    for row, row_ids in enumerate(ids):
        start = longest - len(row_ids)
        evidence_embeds = model.language.embed(torch.tensor(row_ids, device=prefix.device))
        embeds[row, start:] = torch.cat((prefix[row], evidence_embeds))
        mask[row, start:] = 1
    return embeds, None if bool(mask.all()) else mask
