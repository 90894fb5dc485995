"""The SBG task: cached features to keywords, keywords and captions to a GPT-2 that the engine loads as an
SBG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.caption_text import learnt_caption
from clipcap_ext.corpus import Corpus, FeatureTable
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.sbg.captioner import SbgCaptioner
from clipcap_ext.engine.sbg.checkpoint import save_sbg, sbg_model
from clipcap_ext.engine.sbg.label_files import read_bank
from clipcap_ext.engine.sbg.prompt import format_prompt, training_text
from clipcap_ext.engine.sbg.selector import KeywordSelector
from clipcap_ext.errors import UsageError
from clipcap_ext.train.encoded import encode_splits, read_seen_photos
from clipcap_ext.train.export import DTYPES, DataFacts, config_and_card
from clipcap_ext.train.loop.batches import ItemTask
from clipcap_ext.train.sbg.config import SbgConfig
from clipcap_ext.train.sbg.keywords import Keywords, corpus_keywords
from clipcap_ext.train.sbg.made_texts import NOTHING_MADE, MadeTexts, make_texts
from clipcap_ext.train.sbg.module import SbgModule, build_sbg, cut_blocks
from clipcap_ext.train.task import RunFacts, decay_groups
from clipcap_ext.train.validation import caption_in_chunks, validation_figures

CHUNK = 50  # validation images handled together


@dataclass(frozen=True)
class SbgPart:
    """One part of a split: captions of each image as they are learnt, the keywords of its views, its
    features."""

    name: str
    image_ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    keywords: Keywords
    features: Tensor  # (N, views, clip_dim), with what the classifier saw behind them where that is read


class SbgTask(ItemTask):
    """One item is a block of text, or (block=0) one training image with its keywords and some of its
    captions."""

    config: SbgConfig

    def __init__(
        self, config: SbgConfig, encoder: ClipEncoder, selector: KeywordSelector, train: SbgPart,
        val: SbgPart, encoder_folder: Path | None = None, photos: tuple[str, ...] = (),
        made: MadeTexts = NOTHING_MADE,
    ) -> None:  # fmt: skip
        """encoder_folder: an encoder of ours to lay beside the exports; photos: fingerprints of the training
        photos; made: what is learnt beside them."""
        self.config, self._encoder, self._selector = config, encoder, selector
        self._data, self._photos = DataFacts(train.name, len(train.image_ids), encoder_folder), photos
        train = replace(
            train, captions=train.captions + made.captions, keywords=[*train.keywords, *made.keywords]
        )
        self._train, self._val = train, val
        gpt2, self._sizes, self.tokenizer = build_sbg(config, _texts(train))
        self.module = SbgModule(gpt2, config.label_smoothing)
        self._caption_ids = [self._tokenised(captions) for captions in train.captions]
        self._val_ids = [self._tokenised(captions) for captions in val.captions]
        self._blocks = self._cut(train) if config.block else np.zeros((0, 0))
        self.lengths = [config.block] * len(self._blocks) if config.block else self._prompt_lengths()
        self._check_positions()

    @classmethod
    def build(cls, config: SbgConfig, data: Path, cache: Path, say: Callable[[str], None]) -> SbgTask:
        """Read the data set, encode its photos and choose their keywords, or find them in `cache`."""
        if not config.labels:
            raise UsageError(
                "SBG needs a label bank. Make one from the training captions: python -m clipcap_ext.labels "
                f"build --data {data} --split {config.split} --out labels.json; then --set "
                "labels=labels.json."
            )
        bank = read_bank(config.labels)
        splits = encode_splits(
            config, data, cache, say, views=config.views, concepts=bool(config.concepts_low)
        )
        selector = KeywordSelector.build(splits.encoder, bank, config.constants, cache)

        def part(corpus: Corpus, table: FeatureTable) -> SbgPart:
            keywords = corpus_keywords(selector, table, splits.encoder.fingerprint, cache, say)
            return make_part(config, corpus, table, keywords)

        train, val = part(splits.train, splits.train_features), part(splits.val, splits.val_features)
        made = make_texts(config, splits, selector, train.captions, train.keywords, say)
        saw = (*splits.saw, *read_seen_photos(config.gpt2))
        return cls(config, splits.encoder, selector, train, val, splits.encoder_folder, saw, made)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return decay_groups(self.module, self.config.lr, self.config.weight_decay)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def weight(self, items: np.ndarray) -> int:
        """Tokens learnt."""
        if self.config.block:
            return len(items) * (self.config.block - 1)
        return sum(len(ids) for item in items for ids in self._caption_ids[item])

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Blocks, or prompts with their captions, as SbgModule takes them."""
        if self.config.block:
            return {"input_ids": torch.from_numpy(self._blocks[items])}
        prompts = []
        for item in items:
            rng = np.random.default_rng((self.config.seed, epoch, int(item), 4))
            views = self._train.keywords[item]
            kept = _thinned(views[rng.integers(len(views))], self.config.keyword_dropout, rng)
            prompts.append(self.tokenizer.encode(format_prompt(kept)))
        return _pad_batch(prompts, [self._caption_ids[item] for item in items])

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss a learnt token, and CIDEr-D of the best of num_candidates captions (words protocol)."""
        loss = self._block_loss() if self.config.block else self._caption_loss()
        references = dict(zip(self._val.image_ids, self._val.captions, strict=True))
        return validation_figures(loss, self.config.monitor, self._captions, references)

    def _block_loss(self) -> float:
        blocks = self._cut(self._val)
        total = 0.0
        for start in range(0, len(blocks), 8):
            total += float(self.module(self._on_device(torch.from_numpy(blocks[start : start + 8]))))
        return total / (len(blocks) * (self.config.block - 1))

    def _caption_loss(self) -> float:
        total = tokens = 0.0
        for start in range(0, len(self._val_ids), CHUNK):
            ids = self._val_ids[start : start + CHUNK]
            prompts = [
                self.tokenizer.encode(format_prompt(v[0])) for v in self._val.keywords[start : start + CHUNK]
            ]
            batch = _pad_batch(prompts, ids)
            total += float(self.module(**{name: self._on_device(tensor) for name, tensor in batch.items()}))
            tokens += sum(len(row) for group in ids for row in group)
        return total / tokens

    def _captions(self) -> dict[str, str]:
        options = self.config.decoding_options()
        captioner = SbgCaptioner(
            "sbg", self._encoder, self.module.gpt2, self.tokenizer, self._selector, options
        )

        def captions(part: slice) -> list[str]:
            features, keywords = self._val.features[part, 0], [views[0] for views in self._val.keywords[part]]
            guesses = captioner.guess(features, keywords, options, keys=self._val.image_ids[part])
            return [guess.text for guess in guesses]

        return caption_in_chunks(self._val.image_ids, CHUNK, captions)

    def export(self, folder: Path, facts: RunFacts) -> None:
        """A checkpoint folder with the label bank in it; an encoder of ours that is not bundled is laid
        beside it."""
        config = self.config
        model = sbg_model(self._sizes, config.constants)
        checkpoint, card = config_and_card(model, config, facts, self._data, folder)
        save_sbg(
            folder, self.module.gpt2, self.tokenizer, self._selector.bank, checkpoint, card=card,
            trained_on=self._photos, dtype=DTYPES[config.save_dtype],
        )  # fmt: skip

    def _tokenised(self, captions: Sequence[str]) -> list[list[int]]:
        """A caption's ids as they follow a prompt, the blank before it and the end of text included."""
        texts = [training_text([], caption).removeprefix(format_prompt([])) for caption in captions]
        return [ids[: self.config.max_tokens] for ids in self.tokenizer.encode_batch(texts)]

    def _cut(self, part: SbgPart) -> np.ndarray:
        texts = [
            training_text(views[0], caption)
            for views, captions in zip(part.keywords, part.captions, strict=True)
            for caption in captions
        ]
        return cut_blocks(self.tokenizer.encode_batch(texts), self.config.block, self.config.seed)

    def _prompt_lengths(self) -> list[int]:
        prompts = [format_prompt(views[0]) for views in self._train.keywords]
        return [len(ids) for ids in self.tokenizer.encode_batch(prompts)]

    def _check_positions(self) -> None:
        if self.config.block:
            return
        prompts = [
            format_prompt(view)
            for part in (self._train, self._val)
            for image in part.keywords
            for view in image
        ]
        longest = max(len(ids) for ids in self.tokenizer.encode_batch(prompts))
        if longest + self.config.max_tokens > self._sizes["n_positions"]:
            raise UsageError(
                f"The longest prompt has {longest} tokens and a caption up to {self.config.max_tokens}; "
                f"n_positions is {self._sizes['n_positions']}. Raise it, or bound the words with words_most."
            )

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.module.gpt2.device)


def make_part(config: SbgConfig, corpus: Corpus, table: FeatureTable, keywords: Keywords) -> SbgPart:
    """The images of `corpus` that could be read, with their captions as they are learnt."""
    captions = {example.image_id: example.captions for example in corpus.examples}
    learnt = tuple(
        tuple(learnt_caption(text, lowercase=True, end_stop=config.end_stop) for text in captions[name])
        for name in table.image_ids
    )
    return SbgPart(corpus.name, table.image_ids, learnt, keywords, table.features)


def _texts(part: SbgPart) -> list[str]:
    """What a vocabulary is learnt on: each image's prompt once, each caption once."""
    prompts = [format_prompt(view) for views in part.keywords for view in views]
    return prompts + [f" {caption}" for captions in part.captions for caption in captions]


def _thinned(keywords: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    if not share:
        return list(keywords)
    kept = rng.random(len(keywords)) >= share
    return [keyword for keyword, stays in zip(keywords, kept, strict=True) if stays]


def _pad_batch(
    prompts: Sequence[Sequence[int]], captions: Sequence[Sequence[Sequence[int]]]
) -> dict[str, Tensor]:
    longest = max(len(ids) for ids in prompts)
    rows = [row for row, group in enumerate(captions) for _ in group]
    captions_ids = [list(ids) for group in captions for ids in group]
    most = max(len(ids) for ids in captions_ids)
    return {
        "input_ids": torch.tensor([ids + [0] * (most - len(ids)) for ids in captions_ids]),
        "lengths": torch.tensor([len(ids) for ids in captions_ids]),
        "rows": torch.tensor(rows),
        "prompt_ids": torch.tensor([[0] * (longest - len(ids)) + list(ids) for ids in prompts]),
        "prompt_mask": torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts]),
    }
