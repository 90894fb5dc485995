"""Captions made elsewhere, read from a JSON list and matched to the images of a split; it scores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from clipcap_ext.errors import ScoringError, UsageError, printable
from clipcap_ext.files import read_json

FORM = '[{"image_id": number or file name, "caption": text}, ...]'
SHOWN = 5


def read_hypotheses(path: Path, image_ids: Collection[str], numbering: Sequence[str]) -> dict[str, str]:
    """image_id -> caption for every one of `image_ids`, from a JSON file of the form above.

    A whole number counts from 0 in `numbering`; a text is the image's file name, with or without its suffix.
    Raises UsageError for a file of another form, ScoringError for unknown, repeated or missing images.
    """
    rows = _read_rows(path)
    names = _names(image_ids)
    resolved = [(_resolve(row["image_id"], names, numbering), row) for row in rows]
    wanted = set(image_ids)
    unknown = [row["image_id"] for image_id, row in resolved if image_id not in wanted]
    _refuse(path, "captions of images that are not in this split", unknown)
    _refuse(
        path,
        "more than one caption for",
        [key for key, n in Counter(key for key, _ in resolved).items() if n > 1],
    )
    captions = {str(image_id): row["caption"] for image_id, row in resolved}
    _refuse(
        path,
        f"no caption for {len(wanted - captions.keys())} of {len(wanted)} images:",
        wanted - captions.keys(),
    )
    return captions


def _read_rows(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path, "--hypotheses")
    if not isinstance(rows, list):
        raise UsageError(f"--hypotheses {path} holds {type(rows).__name__}, a list was expected: {FORM}.")
    for number, row in enumerate(rows):
        if not _is_row(row):
            raise UsageError(
                f"--hypotheses {path}, entry {number}: {printable(str(row))[:80]} is not of the form {FORM}."
            )
    return rows


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("caption"), str):
        return False
    image_id = row.get("image_id")
    return isinstance(image_id, (int, str)) and not isinstance(image_id, bool)


def _names(image_ids: Collection[str]) -> dict[str, str]:
    """File names, and their stems where no other image has the same, to image ids."""
    stems = Counter(Path(image_id).stem for image_id in image_ids)
    unique = {Path(image_id).stem: image_id for image_id in image_ids if stems[Path(image_id).stem] == 1}
    return unique | {image_id: image_id for image_id in image_ids}


def _resolve(image_id: int | str, names: dict[str, str], numbering: Sequence[str]) -> str | None:
    if isinstance(image_id, int):
        return numbering[image_id] if 0 <= image_id < len(numbering) else None
    return names.get(image_id)


def _refuse(path: Path, what: str, ids: Collection[object]) -> None:
    if ids:
        shown = sorted(map(str, ids))
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        raise ScoringError(f"{path} has {what} {', '.join(shown[:SHOWN])}{more}.")
