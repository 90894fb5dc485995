"""Captions without photos, read from a table of another data set; none of a photo that this data set has."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from clipcap_ext.corpus import FeatureTable
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.errors import CorpusError
from clipcap_ext.train.clipcap.evidence_items import TextCaptions, like_photos

COLUMNS = ("image", "split", "caption")
BATCH = 256


def read_photoless(path: Path, image_ids: Collection[str]) -> list[str]:
    """The captions of the training part of `path`, a .csv or .csv.gz with image, split and caption.

    Left out are photos among `image_ids`, which are told by the number their names begin with, as Flickr
    gives it. Raises CorpusError for a table that cannot be read or has other columns.
    """
    known = {photo_number(image_id) for image_id in image_ids}
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""))
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise CorpusError(
                f"{path} has no column {', '.join(missing)}; captions need {', '.join(COLUMNS)}."
            )
        return [
            row["caption"]
            for row in rows
            if row["split"] == "train" and photo_number(row["image"]) not in known
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise CorpusError(f"The captions in {path} cannot be read: {error}.") from error


def photo_number(image_id: str) -> str:
    """What Flickr calls the photo: the name up to the first underscore or full stop."""
    return Path(image_id).name.replace(".", "_").split("_")[0]


def draw_photoless(captions: Sequence[str], limit: int, seed: int) -> list[str]:
    """`limit` of the captions in an order drawn by the seed; 0 is all of them."""
    order = np.random.default_rng((seed, 9)).permutation(len(captions))
    return [captions[place] for place in order[: limit or None]]


def encode_photoless(
    encoder: ClipEncoder, chosen: Sequence[str], photos: FeatureTable, say: Callable[[str], None]
) -> TextCaptions:
    """Captions as they are learnt, with features that stand for their photos."""
    import torch

    parts = []
    for at in range(0, len(chosen), BATCH):
        if at // BATCH % 10 == 0:
            say(f"features of captions without photos: {at} of {len(chosen)}")
        parts.append(encoder.encode_text(list(chosen[at : at + BATCH])).cpu())
    plain = photos.features[:, 0, : encoder.clip_dim]
    return TextCaptions(tuple(chosen), like_photos(torch.cat(parts), plain))
