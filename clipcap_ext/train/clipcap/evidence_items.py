"""What a ClipCap that reads evidence learns from: captions of photos with what a classifier saw in them,
captions in which one thing was swapped for another, captions without photos, and plain ones. Evidence and
caption are drawn once an item; views and noise each time, as in items.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.clipcap.copying import CopyWords, openings, together
from clipcap_ext.engine.clipcap.prompting import Marked, fitting, marked_words
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import MARKS, EvidenceConfig, evidence_text
from clipcap_ext.engine.concepts.hedging import seen_in
from clipcap_ext.train.clipcap.concept_captions import concept_caption
from clipcap_ext.train.clipcap.concept_words import ConceptWords
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.loop.batches import pad_ids

SWAPPED_MARKS = (0.4, 0.35, 0.25)  # how often each of MARKS stands at a swapped thing that no classifier saw
TEXT_MARKS = (0.35, 0.35, 0.3)  # and at a thing of a caption without a photo
UNSEEN, WRONG, LEFT_OUT = (
    0.15,
    0.35,
    0.1,
)  # things of such a caption left out; strange ones added; seen ones left out
WRONG_MARKS = (0.0, 0.15, 0.85)
HEDGED = 0.25  # swapped things that become the general word of their kind, where it has one
BLANK = 0.3  # swapped captions whose photo is not shown


@dataclass(frozen=True)
class TextCaptions:
    """Captions without photos, as they are learnt, and features (M, clip_dim) that stand for their photos."""

    texts: tuple[str, ...]
    features: Tensor


@dataclass(frozen=True)
class _Item:
    """A caption, whose features it goes with (a photo's row, or a row of the text features), and its
    evidence, None where it is the photo's own."""

    text: str
    row: int
    of_text: bool = False
    told: Marked | None = None
    blank: bool = False


class EvidenceItems:
    """An item is a caption with its evidence. `features` (N, views, clip_dim + concepts) are the photos'."""

    def __init__(
        self, config: CaptioningConfig, tokenizer: CaptionVocabulary, table: ConceptTable, features: Tensor,
        texts: Sequence[Sequence[str]], without: TextCaptions | None = None, *, only_photos: bool = False,
    ) -> None:  # fmt: skip
        """only_photos: the photos' captions alone, in their plain view and without noise, as validation wants
        them."""
        self._config, self._tokenizer, self._table, self._exact = config, tokenizer, table, only_photos
        self._evidence = EvidenceConfig(**config.evidence_words)
        self._words, self._copy = ConceptWords(table.sayable), CopyWords(tokenizer, table)
        self._width = features.shape[-1] - len(table.concepts)
        self._features, self._without = features, without
        self._seen = [self._marked(features[:, view]) for view in range(features.shape[1])]
        middle = features[:, 0, : self._width].mean(0)
        self._middle = middle / middle.norm()
        self._items = self._photo_items(texts)
        if not only_photos:
            self._items += self._made_items(len(self._items))
        self.ids = [
            row[: config.max_tokens] for row in tokenizer.encode_batch([one.text for one in self._items])
        ]
        self.lengths = [len(ids) for ids in self.ids]

    def weight(self, items: np.ndarray) -> int:
        """Labelled tokens."""
        return sum(self.lengths[item] for item in items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim), input_ids (B, T) of evidence and caption, lengths and starts (B,),
        and the openings at labelled positions."""
        rngs = [np.random.default_rng((self._config.seed, epoch, 5, int(item))) for item in items]
        looks = [self._look(self._items[item], rng) for item, rng in zip(items, rngs, strict=True)]
        told = [fitting(marked, self._tokenizer, self._evidence) for _, marked in looks]
        prompts = self._tokenizer.encode_batch([evidence_text(marked) for marked in told])
        captions = [self.ids[item] for item in items]
        slots = [self._copy.slots(marked) for marked in told]
        opened = together(
            [
                openings(ids[:at], slots_of_row)
                for ids, slots_of_row in zip(captions, slots, strict=True)
                for at in range(len(ids))
            ]
        )
        return {
            "image_features": torch.stack([features for features, _ in looks]),
            **pad_ids([[*prompt, *ids] for prompt, ids in zip(prompts, captions, strict=True)]),
            "starts": torch.tensor([len(prompt) for prompt in prompts]),
            "places": opened.places, "tokens": opened.tokens, "kinds": opened.kinds, "words": opened.words,
        }  # fmt: skip

    def _marked(self, features: Tensor) -> list[Marked]:
        seen = seen_in(features[:, self._width :], self._table, self._evidence)
        return [marked_words(evidence, self._tokenizer, self._evidence) for evidence in seen]

    def _look(self, item: _Item, rng: np.random.Generator) -> tuple[Tensor, Marked]:
        if self._exact:
            return self._features[item.row, 0, : self._width], self._seen[0][item.row]
        view = int(rng.integers(self._features.shape[1]))
        if item.blank:
            features = self._middle
        elif item.of_text and self._without is not None:
            features = self._without.features[item.row]
        else:
            features = self._features[item.row, view, : self._width]
        told = self._seen[view][item.row] if item.told is None else item.told
        if item.told is None:
            told = tuple(marked for marked in told if rng.random() >= LEFT_OUT)
        noise = torch.from_numpy(rng.standard_normal(self._width, dtype=np.float32))
        scale = (0.8 if item.blank else self._config.feature_noise) / self._width**0.5
        return torch.nn.functional.normalize(features + scale * noise, dim=-1), told

    def _photo_items(self, texts: Sequence[Sequence[str]]) -> list[_Item]:
        return [_Item(text, row) for row, group in enumerate(texts) for text in group]

    def _made_items(self, photos: int) -> list[_Item]:
        """Swapped, photoless and plain captions, in the configured shares beside `photos` captions of
        photos."""
        config = self._config
        rng = np.random.default_rng((config.seed, 4))
        shares = (config.swapped, config.photoless if self._without else 0.0, config.plain)
        whole = photos / (1 - sum(shares))
        swapped, photoless, plain = (round(share * whole) for share in shares)
        sayable = [item for item in self._items if self._words.said_in(item.text)]
        swapped = swapped if sayable else 0
        made = [self._swapped(sayable[rng.integers(len(sayable))], rng) for _ in range(swapped)]
        made += [self._photoless(rng) for _ in range(photoless)]
        return made + [self._plain(rng) for _ in range(plain)]

    def _swapped(self, item: _Item, rng: np.random.Generator) -> _Item:
        concepts = self._words.said_in(item.text)
        text, told = self._exchange(item.text, self._seen[0][item.row], concepts, rng)
        return _Item(text, item.row, told=told, blank=bool(rng.random() < BLANK))

    def _exchange(
        self, text: str, told: Marked, concepts: Sequence[int], rng: np.random.Generator
    ) -> tuple[str, Marked]:
        """The caption with one of the concepts it says swapped for another, and its evidence likewise."""
        old = concepts[int(rng.integers(len(concepts)))]
        new = self._words.general(old)
        if new is None or rng.random() >= HEDGED:
            new = self._words.rival(old, rng)
        was, now = (self._words.concepts[number].word for number in (old, new))
        marks = dict(told)
        mark = marks.pop(was, None) or MARKS[rng.choice(3, p=SWAPPED_MARKS)]
        marks.pop(now, None)
        return self._words.swapped(text, old, new), _ordered(
            [(now, mark), *marks.items()], self._evidence.most
        )

    def _photoless(self, rng: np.random.Generator) -> _Item:
        assert self._without is not None
        row = int(rng.integers(len(self._without.texts)))
        text = self._without.texts[row]
        concepts = self._words.said_in(text)
        told = self._imagined(concepts, rng)
        if concepts and rng.random() < 0.5:
            text, told = self._exchange(text, told, concepts, rng)
        return _Item(text, row, of_text=True, told=told)

    def _imagined(self, concepts: Sequence[int], rng: np.random.Generator) -> Marked:
        """What a classifier might have seen of a caption's things, and now and then of others."""
        seen = [number for number in concepts if rng.random() >= UNSEEN]
        marked = [(self._words.concepts[number].word, MARKS[rng.choice(3, p=TEXT_MARKS)]) for number in seen]
        if rng.random() < WRONG:
            strange = self._table.words[rng.integers(len(self._table.words))]
            if strange not in dict(marked):
                marked.append((strange, MARKS[rng.choice(3, p=WRONG_MARKS)]))
        return _ordered(marked, self._evidence.most)

    def _plain(self, rng: np.random.Generator) -> _Item:
        text, marked = concept_caption(self._words, rng)
        told = tuple((self._words.concepts[number].word, mark) for number, mark in marked)
        return _Item(
            text, int(rng.integers(len(self._features))), told=told, blank=bool(rng.random() < BLANK)
        )


def like_photos(texts: Tensor, photos: Tensor) -> Tensor:
    """Features (M, d) of texts moved to where photos' (N, d) lie: centred, of the photos' spread, of unit
    norm."""
    middle = photos.mean(0)
    spread = (photos - middle).norm(dim=-1).mean()
    away = torch.nn.functional.normalize(texts - texts.mean(0), dim=-1)
    return torch.nn.functional.normalize(middle + spread * away, dim=-1)


def _ordered(marked: Sequence[tuple[str, str]], most: int) -> Marked:
    """The surest first, one sure word at most: probabilities sum to one."""
    ordered: list[tuple[str, str]] = []
    for word, mark in sorted(marked, key=lambda one: MARKS.index(one[1])):
        ordered.append((word, MARKS[1] if mark == MARKS[0] and ordered else mark))
    return tuple(ordered[:most])
