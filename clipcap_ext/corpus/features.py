"""A corpus through an encoder, each image decoded and encoded once and kept on disk; it trains nothing.

An image is known by the digest of its bytes, not by size and date: a copied, moved or freshly cloned data set
finds its features again, an edited file never finds stale ones, and reading the bytes costs little beside
decoding them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipcap_ext.ahead import THREADS, batches_ahead, takes_every_core
from clipcap_ext.corpus.augmentation import Augmentation
from clipcap_ext.corpus.examples import Corpus, Example, Problem
from clipcap_ext.corpus.feature_store import FeatureStore
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CorpusError, ImageError
from clipcap_ext.files import file_sha256

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from clipcap_ext.engine.clip.encoder import ClipEncoder

    _Looks = dict[str, Tensor]  # the key of a view -> (3, H, W)

VIEW = Augmentation(crop_min=0.5, flip=0.5)  # what views 1, 2, ... show; it is part of their key
SHARD_ROWS = 1024  # most work that a killed run can lose, in views
READING = (
    "r1"  # raised when pictures are read or laid on white in another way, so that old features are not used
)
Progress = Callable[[int, int], None]  # is told how many images are done, of how many


@dataclass(frozen=True)
class FeatureTable:
    """Features (N, views, clip_dim) float32 of the images that could be read, and what was wrong with the
    others."""

    image_ids: tuple[str, ...]
    features: Tensor
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Image:
    """One image on its way: its bytes' digest and the keys of its views."""

    example: Example
    keys: tuple[str, ...]


def encode_corpus(
    encoder: ClipEncoder, corpus: Corpus, cache_dir: str | Path, *, batch_size: int = 32, views: int = 1,
    progress: Progress | None = None,
) -> FeatureTable:  # fmt: skip
    """Features of every image, from `cache_dir` where they are there already.

    View 0 is the plain image; views 1 .. views-1 are random crops, half of them mirrored, the same ones every
    time. An interrupted call leaves what it had encoded, and the next one goes on from there. Broken images
    are in `problems`. Raises CorpusError if not one image could be read.
    """
    store = FeatureStore(Path(cache_dir) / f"{encoder.fingerprint}-{READING}")
    problems: dict[str, Problem] = {}
    images = [image for image in _identify(corpus, views, problems) if image is not None]
    missing = [image for image in images if not all(key in store for key in image.keys)]
    done = len(images) - len(missing)
    for batch in chain([0], _encode_missing(encoder, missing, store, problems, batch_size)):
        done += batch
        if progress is not None:
            progress(done, len(images))
    good = [image for image in images if image.example.image_id not in problems]
    if not good:
        first = next(iter(problems.values()), "it is empty")
        raise CorpusError(f"No image of {corpus.name} could be read; {first}")
    rows = store.read(key for image in good for key in image.keys)
    ids = tuple(image.example.image_id for image in good)
    return FeatureTable(ids, rows.view(len(good), views, -1), tuple(problems.values()))


def _identify(corpus: Corpus, views: int, problems: dict[str, Problem]) -> Iterator[_Image | None]:
    """The images with the keys of their views; None for a file that cannot be read at all."""

    def digest(example: Example) -> str | OSError:
        try:
            return file_sha256(example.path)[:32]
        except OSError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        for example, digested in zip(corpus.examples, pool.map(digest, corpus.examples), strict=True):
            if isinstance(digested, OSError):
                problems[example.image_id] = Problem(
                    str(example.path), f"cannot be read: {digested.strerror or digested}."
                )
                yield None
            else:
                yield _Image(example, tuple(view_key(digested, view) for view in range(views)))


def view_key(digest: str, view: int) -> str:
    """The name of one view of the image with this digest; the augmentation's settings are part of it."""
    return digest if view == 0 else f"{digest}/{VIEW!r}/{view}"


def _encode_missing(
    encoder: ClipEncoder,
    missing: list[_Image],
    store: FeatureStore,
    problems: dict[str, Problem],
    batch_size: int,
) -> Iterator[int]:
    """Encode what is missing and store it; yields how many images each batch had. What is encoded is kept,
    always."""
    import torch

    pending: dict[str, Tensor] = {}
    try:
        for batch in _decode_ahead(encoder, missing, store, batch_size):
            good: dict[str, Tensor] = {}
            for image, looks in batch:
                if isinstance(looks, ImageError):
                    problems[image.example.image_id] = Problem(image.example.image_id, str(looks))
                else:
                    good.update(looks)
            keys = list(good)
            for start in range(0, len(keys), batch_size):
                part = keys[start : start + batch_size]
                features = encoder.encode_image(torch.stack([good[key] for key in part]))  # (B, clip_dim)
                pending.update(zip(part, features.cpu(), strict=True))
            if len(pending) >= SHARD_ROWS:
                store.write(pending)
                pending = {}
            yield len(batch)
    finally:
        store.write(pending)


def _decode_ahead(
    encoder: ClipEncoder, images: list[_Image], store: FeatureStore, batch_size: int
) -> Iterator[list[tuple[_Image, _Looks | ImageError]]]:
    """Batches of images with the tensors of the views they lack, decoded in threads ahead of the encoder."""

    def look(image: _Image) -> tuple[_Image, _Looks | ImageError]:
        try:
            picture = open_image(image.example.path)
        except ImageError as error:
            return image, error
        lacking = [(view, key) for view, key in enumerate(image.keys) if key not in store]
        return image, {key: encoder.preprocess(view_of(picture, key, view)) for view, key in lacking}

    with closing(
        batches_ahead(images, look, batch_size, in_turns=takes_every_core(encoder.device))
    ) as batches:
        yield from batches


def view_of(picture: Image.Image, key: str, view: int) -> Image.Image:
    """The picture itself for view 0, else the one crop that belongs to this key."""
    if view == 0:
        return picture
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return VIEW(picture, np.random.default_rng(seed))
