"""The captioning task: cached image features and captions to a ClipCap checkpoint that the engine loads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.corpus import Corpus, FeatureTable, encode_corpus
from clipcap_ext.engine.card import CheckpointConfig, EncoderConfig
from clipcap_ext.engine.catalog import BUNDLED
from clipcap_ext.engine.checkpoint import save_checkpoint, trained_on
from clipcap_ext.engine.clip_encoder import ClipEncoder, is_encoder_folder, load_encoder
from clipcap_ext.engine.decoding import decode
from clipcap_ext.engine.fingerprint import image_fingerprint
from clipcap_ext.errors import UsageError
from clipcap_ext.metrics import score
from clipcap_ext.train.batches import padded
from clipcap_ext.train.caption_items import CaptionItems, prepared_caption
from clipcap_ext.train.captioning import CaptioningConfig, CaptioningModule, build_clipcap
from clipcap_ext.train.data import load_splits, validation_subset
from clipcap_ext.train.model_card import captioner_card, training_facts
from clipcap_ext.train.tasks import RunFacts, decay_groups

if TYPE_CHECKING:
    from clipcap_ext.train.merge_rnn import MergeConfig
    from clipcap_ext.train.sbg import SbgConfig

CHUNK = 50  # validation captions decoded together
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class DataFacts:
    """What a captioner is trained on. encoder_folder: an encoder of ours to lay beside the exports."""

    name: str
    photos: int
    encoder_folder: Path | None = None


class CaptionerTask:
    """A ClipCap to be trained, whatever its batches come from: the model, its validation and its export."""

    drop_last = False
    trained_on: Iterable[str] = ()  # fingerprints of the photos

    def __init__(
        self, config: CaptioningConfig, clip_dim: int, texts: Iterable[Sequence[str]], data: DataFacts, val: Corpus,
        val_features: FeatureTable,
    ) -> None:  # fmt: skip
        """texts: the captions of each training photo, as they are learnt; they are gone through once at most."""
        self.config, self._data = config, data
        model, self.tokenizer = build_clipcap(config, clip_dim, (text for group in texts for text in group))
        self.module = CaptioningModule(model, config)
        self._check_positions()
        self._val_names = list(val_features.image_ids)
        references = {example.image_id: example.captions for example in val.examples}
        self._references = {name: references[name] for name in self._val_names}
        val_texts = [[prepared_caption(text, config) for text in self._references[name]] for name in self._val_names]
        self._val = CaptionItems(config, self.tokenizer, val_features.features, val_texts)
        self._val_features = val_features.features[:, 0]  # (M, clip_dim), the plain view

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without; the mapper alone if GPT-2 is frozen."""
        return decay_groups(self.module, self.config.lr, self.config.weight_decay)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss a labelled token on the validation captions, and CIDEr-D of decoded captions (words protocol)."""
        order = np.argsort(self._val.lengths, kind="stable")
        total = labels = 0.0
        for start in range(0, len(order), 4 * CHUNK):
            chosen = order[start : start + 4 * CHUNK]
            batch = {
                "image_features": self._val_features[self._val.rows[chosen]],
                **padded([self._val.ids[i] for i in chosen]),
            }
            total += float(self.module(**{name: self._on_device(tensor) for name, tensor in batch.items()}))
            labels += self._val.weight(chosen)
        figures = {"val_loss": total / labels}
        if find_spec("pycocoevalcap"):
            figures["cider"] = score(self._captions(), self._references, "words", ["CIDEr-D"]).values["CIDEr-D"]
        elif self.config.monitor == "cider":
            raise UsageError("monitor=cider needs pycocoevalcap: pip install clipcap-ext[eval], or monitor=val_loss.")
        return figures

    def _captions(self) -> dict[str, str]:
        options = DecodingOptions(**self.config.decoding)
        found: dict[str, str] = {}
        for start in range(0, len(self._val_names), CHUNK):
            names = self._val_names[start : start + CHUNK]
            embeds = self.module.clipcap.prefix_embeds(self._val_features[start : start + CHUNK])
            groups = decode(self.module.clipcap.gpt2, embeds, self.tokenizer, options, keys=names)
            found |= {name: group[0].text for name, group in zip(names, groups, strict=True)}
        return found

    def export(self, folder: Path, facts: RunFacts) -> None:
        """A checkpoint folder; an encoder of ours that is not bundled is laid beside it, once."""
        config, data = self.config, self._data
        encoder = encoder_said(config, data.encoder_folder, folder)
        said = CheckpointConfig(
            kind="clipcap", name=facts.preset or folder.name, model=self.module.clipcap.config.to_dict(),
            encoder=encoder, decoding=config.decoding,
            training=training_facts(config, facts, data.name, data.photos),
        )  # fmt: skip
        card = captioner_card(said.name, config, facts, data.name, data.photos, encoder.model)
        dtype = DTYPES[config.save_dtype]
        save_checkpoint(
            folder, self.module.clipcap, self.tokenizer, said, card=card, trained_on=self.trained_on, dtype=dtype
        )

    def _check_positions(self) -> None:
        room = self.module.clipcap.config.gpt2["n_positions"] - self.config.prefix_length
        if room < self.config.max_tokens:
            raise UsageError(
                f"GPT-2's positions leave room for {room} tokens behind the prefix: lower max_tokens "
                f"({self.config.max_tokens}) or raise n_positions."
            )

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.module.clipcap.gpt2.device)


class ClipCapTask(CaptionerTask):
    """One item is one caption of a training photo; each look at it draws a view of the photo."""

    def __init__(
        self, config: CaptioningConfig, train: Corpus, train_features: FeatureTable, val: Corpus,
        val_features: FeatureTable, encoder_folder: Path | None = None, trained_on: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """encoder_folder: an encoder of ours to lay beside the exports; trained_on: fingerprints of the photos."""
        self.trained_on = trained_on
        captions = {example.image_id: example.captions for example in train.examples}
        texts = [[prepared_caption(text, config) for text in captions[name]] for name in train_features.image_ids]
        data = DataFacts(train.name, len(texts), encoder_folder)
        super().__init__(config, train_features.features.shape[-1], texts, data, val, val_features)
        self.items = CaptionItems(config, self.tokenizer, train_features.features, texts)
        self.lengths = self.items.lengths

    @classmethod
    def build(cls, config: CaptioningConfig, data: Path, cache: Path, say: Callable[[str], None]) -> ClipCapTask:
        """Read the data set and encode its photos, or find their features in `cache`."""
        splits = load_splits(config, data, say)
        val = validation_subset(splits.val, config.validate_images, config.seed)
        encoder, folder = load_config_encoder(config)
        train_features = encode_corpus(
            encoder, splits.train, cache, views=config.views, progress=percent(say, "training")
        )
        val_features = encode_corpus(encoder, val, cache, progress=percent(say, "validation"))
        for problem in (*train_features.problems, *val_features.problems):
            say(f"left out: {problem}")
        read = set(train_features.image_ids)
        photos = [image_fingerprint(one.path) for one in splits.train.examples if one.image_id in read]
        for part in filter(None, (folder, config.gpt2, config.start)):  # what its parts saw, the captioner saw
            photos += trained_on(Path(part))
        return cls(config, splits.train, train_features, val, val_features, folder, tuple(photos))

    def weight(self, items: np.ndarray) -> int:
        """Labelled tokens."""
        return self.items.weight(items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        return self.items.collate(items, epoch)


def encoder_said(
    config: CaptioningConfig | SbgConfig | MergeConfig, source: Path | None, folder: Path
) -> EncoderConfig:
    """What a checkpoint in `folder` says of its encoder; one of ours that is not bundled is laid beside it, once."""
    if source is None:
        return EncoderConfig(config.encoder, config.encoder_weights, config.normalize)
    said = EncoderConfig(source.resolve().name, "", config.normalize)
    beside = folder.parent / said.model
    if not is_encoder_folder(BUNDLED / said.model) and not beside.exists():
        shutil.copytree(source, beside)
    return said


def load_config_encoder(config: CaptioningConfig | SbgConfig | MergeConfig) -> tuple[ClipEncoder, Path | None]:
    """The encoder a configuration names, and its folder if it is one of ours."""
    if config.encoder_weights:
        return load_encoder(EncoderConfig(config.encoder, config.encoder_weights, config.normalize)), None
    for folder in (Path(config.encoder), BUNDLED / config.encoder):
        if is_encoder_folder(folder):
            said = EncoderConfig(folder.resolve().name, "", config.normalize)
            return load_encoder(said, folder=folder), folder
    raise UsageError(
        f"encoder={config.encoder}: no encoder folder there and none bundled of that name. Train one with "
        "tiny-clip-flickr8k, or name an open_clip model and its encoder_weights."
    )


def percent(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """Say how far the encoding of photos is, each time another tenth is done."""
    said = [-1]

    def progress(done: int, total: int) -> None:
        if total and done * 10 // total > said[0]:
            said[0] = done * 10 // total
            say(f"features of the {what} photos: {done} of {total}")

    return progress
