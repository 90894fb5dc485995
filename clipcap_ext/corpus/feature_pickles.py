"""Features and captions in one pickle, as CLIP_prefix_caption's parse_coco.py and parse_conceptual.py make
them, kept as a feature folder; it encodes no picture.

    {"clip_embedding": tensor (n, clip_dim), "captions": [{"image_id", "caption", "clip_embedding": row}]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcap_ext.corpus.examples import Problem
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row
from clipcap_ext.engine.published.inner_tensors import array_of, read_dumped
from clipcap_ext.engine.published.pickle_reading import TensorSpec
from clipcap_ext.errors import CheckpointError, CorpusError, UsageError

if TYPE_CHECKING:
    from clipcap_ext.engine.clip.encoder import ClipEncoder

SHARD_BYTES = 64 * 2**20  # of the pickle that becomes a shard, more or less
SHAPE = '{"clip_embedding": a tensor, "captions": [{"image_id", "caption", "clip_embedding"}, ...]}'


@dataclass(frozen=True)
class FeaturePickle:
    """features (n, clip_dim) as they lie in the file; rows: each picture once, with its features' place."""

    features: np.ndarray
    rows: tuple[tuple[Row, int], ...]
    problems: tuple[Problem, ...]


def keep_named_pickles(
    files: Sequence[Path], encoder_name: str, out: Path, normalize: bool, say: Callable[[str], None]
) -> None:
    """`keep_feature_pickles` with an encoder by its name; it is loaded to know it by its weights."""
    from clipcap_ext.engine.encoder_names import load_named_encoder

    others = [path for path in files if path.suffix != ".pkl"]
    if others:
        raise UsageError(f"{others[0]} does not go with a .pkl: give it a command and an --out of its own.")
    encoder, _ = load_named_encoder(encoder_name, "cpu", normalize=normalize)
    keep_feature_pickles(encoder, files, out, say)


def keep_feature_pickles(
    encoder: ClipEncoder, paths: Sequence[Path], out: Path, say: Callable[[str], None] = lambda line: None
) -> None:
    """The pictures of all `paths` in the feature folder `out`, scaled to unit norm if `encoder` does that;
    shards that are there are passed over.

    Raises CorpusError for a file that holds something else, UsageError for features of another length than
    the encoder's, and for an `out` that holds something else.
    """
    names = [[f"{path.name}:{number}" for number in range(_shards(path))] for path in paths]
    parts = tuple(name for own in names for name in own)
    if len(set(parts)) < len(parts):
        raise UsageError("Two of the files have one name: name them in two commands, with an --out each.")
    manifest = Manifest(encoder.config, encoder.fingerprint, encoder.clip_dim, 1, parts)
    folder, first = None, 0
    for path, own in zip(paths, names, strict=True):
        held = read_feature_pickle(path)
        _check_length(held, encoder, path)
        folder = folder or FeatureFolder.create(out, manifest)
        _write_shards(folder, first, len(own), held, path.stat())
        first += len(own)
        say(f"{path.name}: {len(held.rows)} pictures, {len(held.problems)} captions left out")


def read_feature_pickle(path: Path) -> FeaturePickle:
    """CorpusError says what the file holds instead."""
    try:
        held = read_dumped(path)
        embedding = held.get("clip_embedding") if isinstance(held, dict) else None
        captions = held.get("captions") if isinstance(held, dict) else None
        if not isinstance(embedding, TensorSpec) or not isinstance(captions, list):
            raise CorpusError(f"{path} holds no features with captions: {SHAPE} was expected.")
        features = array_of(embedding, str(path))
    except CheckpointError as error:
        raise CorpusError(str(error)) from error
    if features.ndim != 2 or features.dtype.kind != "f":
        raise CorpusError(
            f"{path}: its features are {features.dtype} of shape {features.shape}, and a row of floats for "
            "each picture was expected."
        )
    problems: list[Problem] = []
    rows = tuple(_rows(captions, len(features), path, problems))
    if not rows:
        raise CorpusError(f"{path} has {len(captions)} captions and none with a picture's features.")
    return FeaturePickle(features, rows, tuple(problems))


def _rows(captions: list[Any], count: int, path: Path, problems: list[Problem]) -> Iterator[tuple[Row, int]]:
    """Each picture with all its captions, in the order of the first ones."""
    pictures: dict[str, tuple[int, list[str]]] = {}
    for number, entry in enumerate(captions):
        key, caption, row = _entry(entry)
        if not key or not caption or not 0 <= row < count:
            problems.append(Problem(f"{path.name}, caption {number}", f"no text or no features ({row})."))
        else:
            pictures.setdefault(key, (row, []))[1].append(caption)
    for key, (row, texts) in pictures.items():
        yield Row(key, "", tuple(texts)), row


def _entry(entry: Any) -> tuple[str, str, int]:
    """The picture, the caption and the row of one entry; empty or -1 for what it does not say."""
    table = entry if isinstance(entry, dict) else {}
    key, caption, row = (table.get(name) for name in ("image_id", "caption", "clip_embedding"))
    text = caption.strip() if isinstance(caption, str) else ""
    return "" if key is None else str(key), text, row if type(row) is int else -1


def _shards(path: Path) -> int:
    """Told by the file's size alone, so that the parts are known before it is read."""
    try:
        return max(1, round(path.stat().st_size / SHARD_BYTES))
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}.") from error


def _check_length(held: FeaturePickle, encoder: ClipEncoder, path: Path) -> None:
    length = held.features.shape[1]
    if length != encoder.clip_dim:
        raise UsageError(
            f"{path} holds features of length {length}, and --encoder {encoder.config.model} gives "
            f"{encoder.clip_dim}: name the encoder that made them."
        )


def _write_shards(folder: FeatureFolder, first: int, count: int, held: FeaturePickle, status: Any) -> None:
    import torch

    stamp = f"{status.st_size}-{int(status.st_mtime)}"
    edges = np.linspace(0, len(held.rows), count + 1).astype(int)
    for number, (start, end) in enumerate(pairwise(edges.tolist())):
        info = folder.info(first + number)
        if info is not None and info.stamp == stamp:
            continue
        chosen = held.rows[start:end]
        features = torch.from_numpy(held.features[[row for _, row in chosen]].astype(np.float32))
        if folder.manifest.encoder.normalize:
            features = torch.nn.functional.normalize(features, dim=-1)
        problems = held.problems if number == 0 else ()
        folder.write(first + number, stamp, features[:, None], [row for row, _ in chosen], problems)
