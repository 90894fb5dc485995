"""The photos of a data set as a captioning task meets them: split, encoded, and what its parts saw before; no
model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clipcap_ext.corpus import Corpus, FeatureTable, encode_corpus
from clipcap_ext.engine.catalog import find_encoder_folder
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.errors import ModelNotFound, UsageError
from clipcap_ext.train.captioner_config import CaptionerConfig
from clipcap_ext.train.data import load_splits, validation_subset


@dataclass(frozen=True)
class EncodedSplits:
    """Training and validation photos with their features, and the encoder, with its folder if it is one of
    ours.

    `saw`: fingerprints of the training photos that could be read and of those the encoder was trained on.
    `image_ids`: those of all photos of the data set, whichever their part.
    """

    train: Corpus
    train_features: FeatureTable
    val: Corpus
    val_features: FeatureTable
    encoder: ClipEncoder
    encoder_folder: Path | None
    saw: tuple[str, ...]
    image_ids: frozenset[str] = frozenset()


def encode_splits(
    config: CaptionerConfig, data: Path, cache: Path, say: Callable[[str], None],
    *, views: int = 1, concepts: bool = False,
) -> EncodedSplits:  # fmt: skip
    """Read the data set and encode its photos, the training ones in `views`, or find their features in
    `cache`.

    concepts: keep what a concept reader saw behind the clip_dim numbers of CLIP space.
    """
    splits = load_splits(config, data, say)
    val = validation_subset(splits.val, config.validate_images, config.seed)
    encoder, folder = load_config_encoder(config)
    train_features = encode_corpus(
        encoder, splits.train, cache, views=views, progress=percent(say, "training")
    )
    val_features = encode_corpus(encoder, val, cache, progress=percent(say, "validation"))
    if not concepts:
        train_features = _narrow(train_features, encoder.clip_dim)
        val_features = _narrow(val_features, encoder.clip_dim)
    for problem in (*train_features.problems, *val_features.problems):
        say(f"left out: {problem}")
    read = set(train_features.image_ids)
    photos = [example.path for example in splits.train.examples if example.image_id in read]
    saw = (*map(image_fingerprint, photos), *read_seen_photos(folder))
    return EncodedSplits(
        splits.train, train_features, val, val_features, encoder, folder, saw, splits.image_ids
    )  # fmt: skip


def _narrow(table: FeatureTable, width: int) -> FeatureTable:
    return replace(table, features=table.features[..., :width])


def read_seen_photos(*parts: Path | str | None) -> list[str]:
    """Fingerprints of what the parts of a captioner were trained on: what they saw, it saw. Empty parts are
    none."""
    return [fingerprint for part in parts if part for fingerprint in read_trained_on(Path(part))]


def load_config_encoder(config: CaptionerConfig) -> tuple[ClipEncoder, Path | None]:
    """The encoder a configuration names, and its folder if it is one of ours."""
    if config.encoder_weights:
        return load_encoder(EncoderConfig(config.encoder, config.encoder_weights, config.normalize)), None
    try:
        folder = find_encoder_folder(config.encoder, Path.cwd())
    except ModelNotFound as error:
        raise UsageError(
            f"encoder={config.encoder}: no encoder folder there, none bundled, none among the models here. "
            "Train one with the preset tiny-clip-flickr8k or tiny-clip-lite0 and copy its best/ there by "
            "that name, or name an open_clip model and its encoder_weights."
        ) from error
    return load_encoder(EncoderConfig(folder.resolve().name, "", config.normalize), folder=folder), folder


def percent(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """Say how far the encoding of photos is, each time another tenth is done."""
    told = [-1]

    def progress(done: int, total: int) -> None:
        if total and done * 10 // total > told[0]:
            told[0] = done * 10 // total
            say(f"features of the {what} photos: {done} of {total}")

    return progress
