"""What SBG's GPT-2 learns from beside the photos' captions, so that it says keywords they seldom hold:
captions with one thing swapped for another, in the keywords too, and captions without photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.caption_text import learnt_caption
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.sbg.selector import KeywordSelector
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.concept_words import ConceptWords
from clipcap_ext.train.clipcap.photoless import draw_photoless, encode_photoless, read_photoless
from clipcap_ext.train.encoded import EncodedSplits
from clipcap_ext.train.sbg.config import SbgConfig
from clipcap_ext.train.sbg.keywords import CHUNK, Keywords

UNSEEN, WRONG = 0.15, 0.25  # things of a caption that a classifier missed; strange ones that it saw
SEEN_AT = (0.5, 0.25)  # probabilities of the first thing seen and of the others


@dataclass(frozen=True)
class MadeTexts:
    """Captions of items beside the photos, as they are learnt, and the keywords of each item's one view."""

    captions: tuple[tuple[str, ...], ...] = ()
    keywords: tuple[list[list[str]], ...] = ()

    def __add__(self, other: MadeTexts) -> MadeTexts:
        return MadeTexts(self.captions + other.captions, self.keywords + other.keywords)


NOTHING_MADE = MadeTexts()


def make_texts(
    config: SbgConfig, splits: EncodedSplits, selector: KeywordSelector, captions: Sequence[Sequence[str]],
    keywords: Keywords, say: Callable[[str], None],
) -> MadeTexts:  # fmt: skip
    """What the configuration wants beside the photos' captions and keywords; `swapped` counts per photo.

    UsageError for an encoder without a concept reader.
    """
    if not config.concepts_low:
        return NOTHING_MADE
    table = splits.encoder.concept_table
    if table is None:
        raise UsageError(
            f"encoder={config.encoder} has no concepts.json: concepts_low needs an encoder with a concept "
            "reader."
        )
    made = swap_captions(table, captions, keywords, round(config.swapped * len(captions)), config.seed)
    return made + _photoless(config, splits, table, selector, say) if config.texts else made


def swap_captions(
    table: ConceptTable, captions: Sequence[Sequence[str]], keywords: Keywords, count: int, seed: int
) -> MadeTexts:
    """`count` items of captions that say a thing of the table, with another in its place: first among the
    keywords, and in each of the photo's captions that says it."""
    words, rng = ConceptWords(table.concepts), np.random.default_rng((seed, 4))
    said = [[words.said_in(text) for text in group] for group in captions]
    sayable = [row for row, group in enumerate(said) if any(group)]
    texts: list[tuple[str, ...]] = []
    prompts: list[list[list[str]]] = []
    for row in rng.choice(sayable, count) if sayable else ():
        things = sorted({thing for group in said[row] for thing in group})
        old = things[rng.integers(len(things))]
        new = words.rival(old, rng)
        view = keywords[row][rng.integers(len(keywords[row]))]
        others = [text for text in view if old not in words.said_in(text) and text != table.words[new]]
        texts.append(
            tuple(
                words.swapped(text, old, new)
                for text, group in zip(captions[row], said[row], strict=True)
                if old in group
            )
        )
        prompts.append([[table.words[new], *others]])
    return MadeTexts(tuple(texts), tuple(prompts))


def imagine_evidence(table: ConceptTable, captions: Iterable[str], seed: int) -> Tensor:
    """What a classifier might have seen in photos of these captions: probabilities (M, concepts)."""
    words, rng = ConceptWords(table.concepts), np.random.default_rng((seed, 6))
    rows = []
    for caption in captions:
        row = torch.zeros(len(table.concepts))
        for thing in words.said_in(caption):
            if rng.random() >= UNSEEN:
                row[thing] = SEEN_AT[bool(row.any())]
        if rng.random() < WRONG:
            row[int(rng.integers(len(row)))] = SEEN_AT[1]
        rows.append(row)
    return torch.stack(rows)


def _photoless(
    config: SbgConfig, splits: EncodedSplits, table: ConceptTable, selector: KeywordSelector,
    say: Callable[[str], None],
) -> MadeTexts:  # fmt: skip
    captions = read_photoless(Path(config.texts), splits.image_ids)
    drawn = draw_photoless(captions, config.photoless_limit, config.seed)
    texts = [learnt_caption(text, lowercase=True, end_stop=config.end_stop) for text in drawn]
    without = encode_photoless(splits.encoder, texts, splits.train_features, say)
    features = torch.cat((without.features, imagine_evidence(table, texts, config.seed)), dim=1)
    chosen = [selector.select(features[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
    keywords = tuple([[keyword.text for keyword in row]] for part in chosen for row in part)
    return MadeTexts(tuple((text,) for text in texts), keywords)
