"""The Merge-RNN task: cached image features and captions to a checkpoint that the engine loads."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.corpus import Corpus, FeatureTable, encode_corpus
from clipcap_ext.engine.card import CheckpointConfig
from clipcap_ext.engine.checkpoint import save_checkpoint, trained_on
from clipcap_ext.engine.fingerprint import image_fingerprint
from clipcap_ext.engine.merge_rnn import MergeRnnConfig, MergeRnnModel, decode_words
from clipcap_ext.engine.words import learn_words
from clipcap_ext.errors import UsageError
from clipcap_ext.metrics import PROTOCOLS, score
from clipcap_ext.train.batches import padded
from clipcap_ext.train.data import load_splits, validation_subset
from clipcap_ext.train.merge_rnn import MergeConfig, MergeModule
from clipcap_ext.train.model_card import merge_rnn_card, training_facts
from clipcap_ext.train.tasks import RunFacts, decay_groups
from clipcap_ext.train.tasks_clipcap import DTYPES, encoder_said, load_config_encoder, percent

CHUNK = 200  # validation captions looked at together


class MergeRnnTask:
    """One item is one caption of a training photo, cut into words without punctuation."""

    drop_last = False

    def __init__(
        self, config: MergeConfig, train: Corpus, train_features: FeatureTable, val: Corpus, val_features: FeatureTable,
        encoder_folder: Path | None = None, trained_on: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """encoder_folder: an encoder of ours to lay beside the exports; trained_on: fingerprints of the photos."""
        self.config = config
        self._name, self._encoder_folder, self._trained_on = train.name, encoder_folder, trained_on
        self._photos = len(train_features.image_ids)
        captions, self._rows = _words_of(train, train_features)
        self.words = learn_words(captions, config.min_count)
        self._ids = [self.words.encode(caption) for caption in captions]
        self.lengths = [len(ids) for ids in self._ids]
        self._features = train_features.features[:, 0]  # (N, feature_dim), the plain view
        self._val_features = val_features.features[:, 0]  # (M, feature_dim)
        self._val_names = list(val_features.image_ids)
        self._references = {one.image_id: one.captions for one in val.examples if one.image_id in self._val_names}
        val_captions, self._val_rows = _words_of(val, val_features)
        self._val_ids = [self.words.encode(caption) for caption in val_captions]
        shape = MergeRnnConfig(
            self._features.shape[-1], self.words.vocab_size, layer_size=config.layer_size, dropout=config.dropout
        )
        self.module = MergeModule(MergeRnnModel(shape))

    @classmethod
    def build(cls, config: MergeConfig, data: Path, cache: Path, say: Callable[[str], None]) -> MergeRnnTask:
        """Read the data set and encode its photos, or find their features in `cache`."""
        splits = load_splits(config, data, say)
        val = validation_subset(splits.val, config.validate_images, config.seed)
        encoder, folder = load_config_encoder(config)
        train_features = encode_corpus(encoder, splits.train, cache, progress=percent(say, "training"))
        val_features = encode_corpus(encoder, val, cache, progress=percent(say, "validation"))
        for problem in (*train_features.problems, *val_features.problems):
            say(f"left out: {problem}")
        read = set(train_features.image_ids)
        photos = [image_fingerprint(one.path) for one in splits.train.examples if one.image_id in read]
        photos += trained_on(folder) if folder is not None else ()  # what its encoder saw, the captioner saw
        return cls(config, splits.train, train_features, val, val_features, folder, tuple(photos))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return decay_groups(self.module, self.config.lr, self.config.weight_decay)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def weight(self, items: np.ndarray) -> int:
        """Words, and each caption's end."""
        return sum(self.lengths[item] + 1 for item in items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, feature_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        return {"image_features": self._features[self._rows[items]], **padded([self._ids[item] for item in items])}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss a word on the validation captions, and CIDEr-D of decoded captions (words protocol)."""
        order = np.argsort([len(ids) for ids in self._val_ids], kind="stable")
        total = labels = 0.0
        for start in range(0, len(order), CHUNK):
            chosen = order[start : start + CHUNK]
            ids = [self._val_ids[i] for i in chosen]
            batch = {"image_features": self._val_features[self._val_rows[chosen]], **padded(ids)}
            total += float(self.module(**{name: tensor.to(self._device) for name, tensor in batch.items()}))
            labels += sum(len(one) + 1 for one in ids)
        figures = {"val_loss": total / labels}
        if find_spec("pycocoevalcap"):
            figures["cider"] = score(self._captions(), self._references, "words", ["CIDEr-D"]).values["CIDEr-D"]
        elif self.config.monitor == "cider":
            raise UsageError("monitor=cider needs pycocoevalcap: pip install clipcap-ext[eval], or monitor=val_loss.")
        return figures

    def _captions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(self._val_names), CHUNK):
            names, features = self._val_names[start : start + CHUNK], self._val_features[start : start + CHUNK]
            groups = decode_words(self.module.model, features, self.words, self.config.decoding_options(), keys=names)
            found |= {name: group[0].text for name, group in zip(names, groups, strict=True)}
        return found

    def export(self, folder: Path, facts: RunFacts) -> None:
        """A checkpoint folder; an encoder of ours that is not bundled is laid beside it, once."""
        config = self.config
        encoder = encoder_said(config, self._encoder_folder, folder)
        said = CheckpointConfig(
            kind="merge-rnn", name=facts.preset or folder.name, model=self.module.model.config.to_dict(),
            encoder=encoder, decoding=config.decoding,
            training=training_facts(config, facts, self._name, self._photos),
        )  # fmt: skip
        card = merge_rnn_card(said.name, config, facts, self._name, self._photos, encoder.model)
        dtype = DTYPES[config.save_dtype]
        save_checkpoint(
            folder, self.module.model, self.words, said, card=card, trained_on=self._trained_on, dtype=dtype
        )

    @property
    def _device(self) -> torch.device:
        return self.module.model.image.weight.device


def _words_of(corpus: Corpus, features: FeatureTable) -> tuple[list[list[str]], np.ndarray]:
    """The captions of the photos that could be read, as words, and the row of each one's photo."""
    captions = {example.image_id: example.captions for example in corpus.examples}
    groups = [captions[name] for name in features.image_ids]
    cut = PROTOCOLS["words"].prepare_references([text for group in groups for text in group])
    rows = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    kept = [i for i, text in enumerate(cut) if text]
    return [cut[i].split() for i in kept], rows[kept]
