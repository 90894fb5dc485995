"""The Merge-RNN task: cached image features and captions to a checkpoint that the engine loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.corpus import Corpus, FeatureTable
from clipcap_ext.engine.checkpoint.folder import save_checkpoint
from clipcap_ext.engine.checkpoint.vocabulary import learn_words
from clipcap_ext.engine.merge_rnn.captioner import decode_words
from clipcap_ext.engine.merge_rnn.model import MergeRnnConfig, MergeRnnModel
from clipcap_ext.metrics import PROTOCOLS
from clipcap_ext.train.encoded import encode_splits
from clipcap_ext.train.export import DTYPES, DataFacts, config_and_card
from clipcap_ext.train.loop.batches import ItemTask, pad_ids
from clipcap_ext.train.merge_rnn.config import MergeConfig
from clipcap_ext.train.merge_rnn.module import MergeModule
from clipcap_ext.train.task import RunFacts, decay_groups
from clipcap_ext.train.validation import caption_in_chunks, mean_loss, validation_figures

CHUNK = 200  # validation captions looked at together


class MergeRnnTask(ItemTask):
    """One item is one caption of a training photo, cut into words without punctuation."""

    config: MergeConfig

    def __init__(
        self, config: MergeConfig, train: Corpus, train_features: FeatureTable, val: Corpus,
        val_features: FeatureTable, encoder_folder: Path | None = None, trained_on: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """encoder_folder: an encoder of ours to lay beside the exports; trained_on: fingerprints of the
        photos."""
        self.config, self._trained_on = config, trained_on
        self._data = DataFacts(train.name, len(train_features.image_ids), encoder_folder)
        captions, self._rows = _words_of(train, train_features)
        self.words = learn_words(captions, config.min_count)
        self._ids = [self.words.encode(caption) for caption in captions]
        self.lengths = [len(ids) for ids in self._ids]
        self._features = train_features.features[:, 0]  # (N, feature_dim), the plain view
        self._val_features = val_features.features[:, 0]  # (M, feature_dim)
        self._val_names = list(val_features.image_ids)
        references = {example.image_id: example.captions for example in val.examples}
        self._references = {name: references[name] for name in self._val_names}
        val_captions, self._val_rows = _words_of(val, val_features)
        self._val_ids = [self.words.encode(caption) for caption in val_captions]
        shape = MergeRnnConfig(
            self._features.shape[-1],
            self.words.vocab_size,
            layer_size=config.layer_size,
            dropout=config.dropout,
        )
        self.module = MergeModule(MergeRnnModel(shape))

    @classmethod
    def build(cls, config: MergeConfig, data: Path, cache: Path, say: Callable[[str], None]) -> MergeRnnTask:
        """Read the data set and encode its photos, or find their features in `cache`."""
        splits = encode_splits(config, data, cache, say)
        return cls(
            config,
            splits.train,
            splits.train_features,
            splits.val,
            splits.val_features,
            splits.encoder_folder,
            splits.saw,
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return decay_groups(self.module, self.config.lr, self.config.weight_decay)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def weight(self, items: np.ndarray) -> int:
        """Words, and each caption's end."""
        return _weight(self.lengths, items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, feature_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        return {
            "image_features": self._features[self._rows[items]],
            **pad_ids([self._ids[item] for item in items]),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss a word on the validation captions, and CIDEr-D of decoded captions (words protocol)."""
        lengths = [len(ids) for ids in self._val_ids]
        loss = mean_loss(self.module, lengths, self._val_batch, lambda items: _weight(lengths, items), CHUNK)
        return validation_figures(loss, self.config.monitor, self._captions, self._references)

    def _val_batch(self, items: np.ndarray) -> dict[str, Tensor]:
        ids = [self._val_ids[item] for item in items]
        return {"image_features": self._val_features[self._val_rows[items]], **pad_ids(ids)}

    def _captions(self) -> dict[str, str]:
        options = self.config.decoding_options()

        def captions(part: slice) -> list[str]:
            features, keys = self._val_features[part], self._val_names[part]
            groups = decode_words(self.module.model, features, self.words, options, keys=keys)
            return [group[0].text for group in groups]

        return caption_in_chunks(self._val_names, CHUNK, captions)

    def export(self, folder: Path, facts: RunFacts) -> None:
        """A checkpoint folder; an encoder of ours that is not bundled is laid beside it, once."""
        model, dtype = self.module.model, DTYPES[self.config.save_dtype]
        checkpoint, card = config_and_card(model.config.to_dict(), self.config, facts, self._data, folder)
        save_checkpoint(
            folder, model, self.words, checkpoint, card=card, trained_on=self._trained_on, dtype=dtype
        )


def _weight(lengths: Sequence[int], items: np.ndarray) -> int:
    return sum(lengths[item] + 1 for item in items)


def _words_of(corpus: Corpus, features: FeatureTable) -> tuple[list[list[str]], np.ndarray]:
    """The captions of the photos that could be read, as words, and the row of each one's photo."""
    captions = {example.image_id: example.captions for example in corpus.examples}
    groups = [captions[name] for name in features.image_ids]
    cut = PROTOCOLS["words"].prepare_references([text for group in groups for text in group])
    rows = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    kept = [i for i, text in enumerate(cut) if text]
    return [cut[i].split() for i in kept], rows[kept]
