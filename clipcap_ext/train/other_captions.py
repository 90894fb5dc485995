"""Captions of photos that are not here, read from a table of another data set; none of a photo that this data
set has."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Collection
from pathlib import Path

from clipcap_ext.errors import CorpusError

COLUMNS = ("image", "split", "caption")


def read_other_captions(path: Path, image_ids: Collection[str]) -> list[list[str]]:
    """The captions of each photo of the training part of `path`, a .csv or .csv.gz with image, split and
    caption.

    Left out are photos among `image_ids`, which are told by the number their names begin with, as Flickr
    gives it. Raises CorpusError for a table that cannot be read or has other columns.
    """
    known = {photo_number(image_id) for image_id in image_ids}
    captions: dict[str, list[str]] = {}
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""))
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise CorpusError(
                f"{path} has no column {', '.join(missing)}; captions need {', '.join(COLUMNS)}."
            )
        for row in rows:
            if row["split"] == "train" and photo_number(row["image"]) not in known:
                captions.setdefault(row["image"], []).append(row["caption"])
    except (OSError, EOFError, zlib.error, ValueError, csv.Error) as error:
        raise CorpusError(f"The captions in {path} cannot be read: {error}.") from error
    return list(captions.values())


def photo_number(image_id: str) -> str:
    """What Flickr calls the photo: the name up to the first underscore or full stop."""
    return Path(image_id).name.replace(".", "_").split("_")[0]
