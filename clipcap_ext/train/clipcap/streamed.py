"""The captioning task on a feature folder too large for memory; but for the stream of captions it is
ClipCapTask's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.corpus import Corpus, Example, FeatureTable
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.stream import CaptionStream, PoolBatch
from clipcap_ext.train.clipcap.task import CaptionerTask
from clipcap_ext.train.encoded import load_config_encoder, read_seen_photos
from clipcap_ext.train.export import DataFacts


class StreamedClipCapTask(CaptionerTask):
    """One item is one caption of a shard's picture. A caption of which no token is learnt takes a place but
    has no weight, where ClipCapTask leaves it out."""

    def __init__(
        self, config: CaptioningConfig, stream: CaptionStream, val: Corpus, val_features: FeatureTable,
        name: str, encoder_folder: Path | None = None, parts_saw: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """parts_saw: fingerprints of what the parts it starts from were trained on."""
        self._stream, self._parts_saw = stream, tuple(parts_saw)
        data = DataFacts(name, stream.photos, encoder_folder)
        super().__init__(config, val_features.features.shape[-1], stream.texts(), data, val, val_features)

    @classmethod
    def build(cls, config: CaptioningConfig, data: Path, say: Callable[[str], None]) -> StreamedClipCapTask:
        """Open a feature folder and set `holdout` of its pictures aside."""
        folder = FeatureFolder.open(data)
        encoder_folder = _check_fit(config, folder.manifest)
        infos = folder.infos()
        held_out = choose_held_out([info.images for info in infos], config)
        val, val_features = read_held_out(folder, held_out, config)
        stream, name = CaptionStream(folder, held_out, config), data.resolve().name
        left_out: Counter[str] = sum((Counter(info.left_out) for info in infos), Counter())
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items())) or "nothing"
        say(
            f"{name}: {len(infos)} shards, {stream.photos} training and {sum(held_out.values())} validation "
            f"images; left out when the features were made: {kinds}"
        )
        saw = read_seen_photos(encoder_folder, config.gpt2, config.start)
        return cls(config, stream, val, val_features, name, encoder_folder, saw)

    @property
    def trained_on(self) -> Iterator[str]:
        """Fingerprints of the photos, read anew each time."""
        yield from self._stream.fingerprints()
        yield from self._parts_saw

    def steps(self, epoch: int, parts: int) -> int:
        """How many batches an epoch has."""
        return self._stream.steps(epoch, parts)

    def batches(self, epoch: int, first: int, parts: int) -> Iterator[PoolBatch]:
        """The batches of an epoch from number `first` on."""
        return self._stream.batches(self.tokenizer, epoch, first, parts)

    def weight(self, batch: PoolBatch) -> int:
        """Labelled tokens."""
        return max(1, batch.pool.weight(batch.items))

    def collate(self, batch: PoolBatch, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim), input_ids (B, T) padded to the longest, lengths (B,)."""
        return batch.pool.collate(batch.items, epoch)


def choose_held_out(images: list[int], config: CaptioningConfig) -> dict[int, int]:
    """Shard -> how many of its first pictures are set aside, `holdout` in all, from shards drawn by the seed.

    images: how many each shard has. Raises CorpusError if holdout is 0 or leaves nothing to train on.
    """
    if not config.holdout:
        raise CorpusError(
            "A feature folder has no validation part: set holdout to how many pictures shall be set aside."
        )
    left = config.held_out(sum(images))
    if left >= sum(images):
        raise CorpusError(f"holdout is {config.holdout} but there are only {sum(images)} pictures.")
    held_out: dict[int, int] = {}
    for shard in np.random.default_rng((config.seed, 7)).permutation(len(images)).tolist():
        count = min(left, images[shard])
        if count:
            held_out[shard] = count
        left -= count
    return held_out


def read_held_out(
    folder: FeatureFolder, held_out: dict[int, int], config: CaptioningConfig
) -> tuple[Corpus, FeatureTable]:
    """The pictures set aside, or `validate_images` of them."""
    examples: list[Example] = []
    features: list[Tensor] = []
    for shard, count in sorted(held_out.items()):
        features.append(folder.features(shard)[:count])
        for number, row in enumerate(islice(folder.rows(shard), count)):
            examples.append(Example(f"{shard}/{number}/{row.key}", Path(row.key), row.captions))
    order = np.random.default_rng((config.seed, 8)).permutation(len(examples))
    chosen = sorted(order[: config.validate_images or None].tolist())
    corpus = Corpus("held out", tuple(examples[i] for i in chosen))
    return corpus, FeatureTable(tuple(corpus.image_ids), torch.cat(features)[chosen])


def _check_fit(config: CaptioningConfig, manifest: Manifest) -> Path | None:
    """UsageError unless the features are what the configuration asks for; the encoder's folder if it is one
    of ours."""
    if config.limit:
        raise UsageError("limit is for data sets in memory: make a feature folder of fewer shards instead.")
    if config.teacher:
        raise UsageError("teacher is for data sets in memory: put its captions into the shards' own instead.")
    if config.views > manifest.views:
        raise UsageError(f"views={config.views}, but the features were made with --views {manifest.views}.")
    encoder_folder = None
    if config.encoder_weights:
        same = manifest.encoder == EncoderConfig(config.encoder, config.encoder_weights, config.normalize)
    else:
        encoder, encoder_folder = load_config_encoder(config)
        same = encoder.fingerprint == manifest.fingerprint
    if not same:
        made = manifest.encoder
        raise UsageError(
            f"The features were made by {made.model}{'/' * bool(made.pretrained)}{made.pretrained}, "
            f"normalize {str(made.normalize).lower()}, not by the encoder asked for: --set encoder=..., "
            f"encoder_weights={made.pretrained} and normalize={str(made.normalize).lower()}, or make them "
            "anew."
        )
    return encoder_folder
