"""A classifier's classes in plain words, with the words that say them in captions; it looks at no image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.files import read_json, write_whole

TABLE_FILE = "concepts.json"


@dataclass(frozen=True)
class Concept:
    """One plain word for some classes of a classifier.

    kind: what it may stand in for (animal, vehicle, food, ...). also: other words that say it in captions.
    plurals: forms that say several of it; the first is the one to write. vague: the word means other things
    in captions too, so it is never looked for there.
    """

    word: str
    kind: str
    classes: tuple[int, ...]
    plurals: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    vague: bool = False


@dataclass(frozen=True)
class ConceptTable:
    """Concepts in their order. Classes that are in none (people, clothes) are never evidence."""

    concepts: tuple[Concept, ...]
    source: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        classes = [number for concept in self.concepts for number in concept.classes]
        if len(set(classes)) < len(classes) or len(set(self.words)) < len(self.words):
            raise UsageError("A concept table names a class or a word twice.")

    @property
    def words(self) -> tuple[str, ...]:
        """The plain words."""
        return tuple(concept.word for concept in self.concepts)


def read_table(path: Path) -> ConceptTable:
    """Read concepts.json; CheckpointError if it is missing or of another form."""
    try:
        table = read_json(path, "The concept table")
        concepts = tuple(_concept(entry) for entry in table["concepts"])
        return ConceptTable(concepts, table.get("source", {}))
    except (OSError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise CheckpointError(f"{path} is no concept table: {error}") from error


def write_table(path: Path, table: ConceptTable) -> None:
    """Write concepts.json, a concept a line, without what is empty."""
    lines = [
        "  "
        + json.dumps({name: value for name, value in asdict(concept).items() if value}, ensure_ascii=False)
        for concept in table.concepts
    ]
    source = json.dumps(dict(table.source), ensure_ascii=False)
    text = f'{{\n "source": {source},\n "concepts": [\n' + ",\n".join(lines) + "\n ]\n}\n"
    write_whole(path, text)


def _concept(entry: Mapping[str, Any]) -> Concept:
    word, kind = entry["word"], entry["kind"]
    classes, plurals, also = (tuple(entry.get(name, ())) for name in ("classes", "plurals", "also"))
    texts = (word, kind, *plurals, *also)
    if not all(isinstance(text, str) and text for text in texts):
        raise TypeError(f"the words of {entry} are not all texts")
    if not classes or not all(isinstance(number, int) and number >= 0 for number in classes):
        raise TypeError(f"{word} has no class numbers")
    return Concept(word, kind, classes, plurals, also, bool(entry.get("vague", False)))
