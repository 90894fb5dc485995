"""The papers' figures, read from paper.json; it measures nothing and holds no figure itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.errors import UsageError

FILE = Path(__file__).with_name("paper.json")


@dataclass(frozen=True)
class PaperRow:
    """One row: BLEU, METEOR and ROUGE-L from 0 to 1, CIDEr-D from 0 to 10. `protocol`: the one they belong
    to."""

    name: str
    label: str
    protocol: str
    values: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """One table: where it stands, how many images it was scored on (None where that is not stated), its
    rows."""

    name: str
    title: str
    source: str
    images: int | None
    rows: tuple[PaperRow, ...]


def read_tables() -> dict[str, PaperTable]:
    """Every table by name."""
    tables = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: PaperTable(name, **{**table, "rows": tuple(PaperRow(**row) for row in table["rows"])})
        for name, table in tables.items()
    }


def find_table(name: str) -> PaperTable:
    """The table of that name; a UsageError lists the names there are."""
    tables = read_tables()
    if name not in tables:
        raise UsageError(f"There is no table {name!r}; there are: {', '.join(tables)}.")
    return tables[name]
