"""selected_tags.csv, the tags that a tagger's outputs stand for, in their order; how a tag is written. No
model."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.errors import CheckpointError, printable

FILE = "selected_tags.csv"
MOST_BYTES = 1 << 24  # the published ones have a third of a megabyte
GENERAL, CHARACTER, RATING = "general", "character", "rating"
# the boorus' own numbers
CATEGORIES = {"0": GENERAL, "1": "artist", "3": "copyright", "4": CHARACTER, "5": "meta", "9": RATING}
WORD = re.compile(r"[^\W_]{2}")  # two letters or digits side by side: faces such as >_< and o_o have none


@dataclass(frozen=True)
class Tag:
    """A tag as the boorus write it, and what it names: one of CATEGORIES."""

    name: str
    category: str

    def written(self, spaces: bool) -> str:
        """long_hair as "long hair", where `spaces` are wanted; a face keeps its underscores."""
        return self.name.replace("_", " ") if spaces and WORD.search(self.name) else self.name


def read_tags(folder: Path) -> tuple[Tag, ...]:
    """The tags of a tagger's folder; CheckpointError for a file that is missing or of another form."""
    path = folder / FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no {FILE}, which says what the outputs of its model.onnx stand for: copy it "
            "from where the model came from."
        )
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"{path} has more than {MOST_BYTES} bytes: it is no list of tags.")
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CheckpointError(f"{path} cannot be read as CSV: {str(error)[:200]}.") from error
    if not rows or not {"name", "category"} <= set(rows[0]):
        raise CheckpointError(f"{path} is no list of tags: its first line is not tag_id,name,category,count.")
    return tuple(_tag(row, f"{path}, line {number}") for number, row in enumerate(rows, start=2))


def _tag(row: dict[str, str | None], where: str) -> Tag:
    name, number = (row["name"] or "").strip(), (row["category"] or "").strip()
    if not name or "," in name or not name.isprintable():
        raise CheckpointError(f"{where}: {printable(name)[:60]!r} is no tag.")
    if number not in CATEGORIES:
        raise CheckpointError(
            f"{where}: {printable(number)[:20]!r} is no category of a tag; known: "
            f"{', '.join(f'{one} ({what})' for one, what in CATEGORIES.items())}."
        )
    return Tag(name, CATEGORIES[number])
