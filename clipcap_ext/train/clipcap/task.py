"""The captioning task: cached image features and captions to a ClipCap checkpoint that the engine loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.corpus import Corpus, FeatureTable
from clipcap_ext.engine.checkpoint.folder import save_checkpoint
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.items import CaptionItems, prepare_caption
from clipcap_ext.train.clipcap.module import CaptioningModule, build_clipcap
from clipcap_ext.train.clipcap.teacher import learnt_captions
from clipcap_ext.train.encoded import encode_splits, read_seen_photos
from clipcap_ext.train.export import DTYPES, DataFacts, config_and_card
from clipcap_ext.train.loop.batches import ItemTask, pad_ids
from clipcap_ext.train.task import RunFacts, decay_groups
from clipcap_ext.train.validation import caption_in_chunks, mean_loss, validation_figures

CHUNK = 50  # validation captions decoded together


class CaptionerTask:
    """A ClipCap to be trained, whatever its batches come from: the model, its validation and its export."""

    config: CaptioningConfig

    def __init__(
        self, config: CaptioningConfig, clip_dim: int, texts: Iterable[Sequence[str]], data: DataFacts,
        val: Corpus, val_features: FeatureTable,
    ) -> None:  # fmt: skip
        """texts: the captions of each training photo, as they are learnt; they are gone through once at
        most."""
        self.config, self._data = config, data
        model, self.tokenizer = build_clipcap(config, clip_dim, (text for group in texts for text in group))
        self.module = CaptioningModule(model, config)
        self._check_positions()
        self._val_names = list(val_features.image_ids)
        references = {example.image_id: example.captions for example in val.examples}
        self._references = {name: references[name] for name in self._val_names}
        val_texts = [
            [prepare_caption(text, config) for text in self._references[name]] for name in self._val_names
        ]
        self._val = CaptionItems(config, self.tokenizer, val_features.features, val_texts)
        self._val_features = val_features.features[:, 0]  # (M, clip_dim), the plain view

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without; the mapper alone if the language model is frozen."""
        return decay_groups(self.module, self.config.lr, self.config.weight_decay)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss a labelled token on the validation captions, and CIDEr-D of decoded captions (words
        protocol)."""
        loss = mean_loss(self.module, self._val.lengths, self._val_batch, self._val.weight, 4 * CHUNK)
        return validation_figures(loss, self.config.monitor, self._captions, self._references)

    def _val_batch(self, items: np.ndarray) -> dict[str, Tensor]:
        ids = [self._val.ids[item] for item in items]
        return {"image_features": self._val_features[self._val.rows[items]], **pad_ids(ids)}

    def _captions(self) -> dict[str, str]:
        options, clipcap = self.config.decoding_options(), self.module.clipcap

        def captions(part: slice) -> list[str]:
            embeds = clipcap.prefix_embeds(self._val_features[part])
            groups = decode(clipcap.language, embeds, self.tokenizer, options, keys=self._val_names[part])
            return [group[0].text for group in groups]

        return caption_in_chunks(self._val_names, CHUNK, captions)

    def export(self, folder: Path, facts: RunFacts) -> None:
        """A checkpoint folder; an encoder of ours that is not bundled is laid beside it, once."""
        clipcap, dtype = self.module.clipcap, DTYPES[self.config.save_dtype]
        checkpoint, card = config_and_card(clipcap.config.to_dict(), self.config, facts, self._data, folder)
        save_checkpoint(
            folder, clipcap, self.tokenizer, checkpoint, card=card, trained_on=self.trained_on, dtype=dtype
        )

    @property
    def trained_on(self) -> Iterable[str]:
        """Fingerprints of the photos."""
        raise NotImplementedError

    def _check_positions(self) -> None:
        evidence = self.module.clipcap.config.evidence_config
        taken = self.config.prefix_length + (evidence.tokens if evidence else 0)
        room = self.module.clipcap.language.n_positions - taken
        if room < self.config.max_tokens:
            raise UsageError(
                f"The language model's positions leave room for {room} tokens behind the prefix: lower "
                f"max_tokens ({self.config.max_tokens}) or raise n_positions."
            )


class ClipCapTask(CaptionerTask, ItemTask):
    """One item is one caption of a training photo; each look at it draws a view of the photo."""

    config: CaptioningConfig

    def __init__(
        self, config: CaptioningConfig, train: Corpus, train_features: FeatureTable, val: Corpus,
        val_features: FeatureTable, encoder_folder: Path | None = None, trained_on: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """encoder_folder: an encoder of ours to lay beside the exports; trained_on: fingerprints of the
        photos."""
        self._trained_on = trained_on
        captions = {example.image_id: example.captions for example in train.examples}
        texts = learnt_captions(captions, train_features.image_ids, config)
        data = DataFacts(train.name, len(texts), encoder_folder)
        super().__init__(config, train_features.features.shape[-1], texts, data, val, val_features)
        self.items = CaptionItems(config, self.tokenizer, train_features.features, texts)
        self.lengths = self.items.lengths

    @classmethod
    def build(
        cls, config: CaptioningConfig, data: Path, cache: Path, say: Callable[[str], None]
    ) -> ClipCapTask:
        """Read the data set and encode its photos, or find their features in `cache`."""
        splits = encode_splits(config, data, cache, say, views=config.views)
        saw = (*splits.saw, *read_seen_photos(config.gpt2, config.start))
        return cls(
            config,
            splits.train,
            splits.train_features,
            splits.val,
            splits.val_features,
            splits.encoder_folder,
            saw,
        )

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Fingerprints of the photos."""
        return self._trained_on

    def weight(self, items: np.ndarray) -> int:
        """Labelled tokens."""
        return self.items.weight(items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        return self.items.collate(items, epoch)
