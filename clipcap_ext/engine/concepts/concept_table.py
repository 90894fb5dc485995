"""A classifier's classes in plain words, with the words that say them in captions; it looks at no image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
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
    """Concepts in their order. Classes that are in none (people, clothes) are never evidence.

    general: words for all of a kind, of no class themselves, for pictures in which the kind is clear and the
    thing is not.
    """

    concepts: tuple[Concept, ...]
    source: Mapping[str, Any] = field(default_factory=dict, compare=False)
    general: tuple[Concept, ...] = ()

    def __post_init__(self) -> None:
        classes = [number for concept in self.concepts for number in concept.classes]
        words = [concept.word for concept in self.sayable]
        if len(set(classes)) < len(classes) or len(set(words)) < len(words):
            raise UsageError("A concept table names a class or a word twice.")
        if strange := [one.word for one in self.general if one.classes or not self.of_kind(one.kind)]:
            raise UsageError(f"{', '.join(strange)}: a general word has concepts of its kind, and no class.")

    @property
    def words(self) -> tuple[str, ...]:
        """The plain words."""
        return tuple(concept.word for concept in self.concepts)

    @property
    def sayable(self) -> tuple[Concept, ...]:
        """The concepts, and behind them the general words."""
        return self.concepts + self.general

    def of_kind(self, kind: str) -> list[int]:
        """The numbers of the concepts of one kind."""
        return [number for number, concept in enumerate(self.concepts) if concept.kind == kind]


def read_table(path: Path) -> ConceptTable:
    """Read concepts.json; CheckpointError if it is missing or of another form."""
    try:
        table = read_json(path, "The concept table")
        concepts = tuple(_concept(entry) for entry in table["concepts"])
        general = tuple(_general(entry) for entry in table.get("general", ()))
        return ConceptTable(concepts, table.get("source", {}), general)
    except (OSError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise CheckpointError(f"{path} is no concept table: {error}") from error


def write_table(path: Path, table: ConceptTable) -> None:
    """Write concepts.json, a concept a line, without what is empty."""
    parts = [f' "source": {json.dumps(dict(table.source), ensure_ascii=False)}']
    parts += [
        f' "{name}": [\n' + ",\n".join(map(_line, concepts)) + "\n ]"
        for name, concepts in (("general", table.general), ("concepts", table.concepts)) if concepts
    ]  # fmt: skip
    write_whole(path, "{\n" + ",\n".join(parts) + "\n}\n")


def _line(concept: Concept) -> str:
    said = {name: value for name, value in asdict(concept).items() if value}
    return "  " + json.dumps(said, ensure_ascii=False)


def _concept(entry: Mapping[str, Any]) -> Concept:
    concept, classes = _general(entry), tuple(entry.get("classes", ()))
    if not classes or not all(isinstance(number, int) and number >= 0 for number in classes):
        raise TypeError(f"{concept.word} has no class numbers")
    return replace(concept, classes=classes)


def _general(entry: Mapping[str, Any]) -> Concept:
    word, kind = entry["word"], entry["kind"]
    plurals, also = (tuple(entry.get(name, ())) for name in ("plurals", "also"))
    texts = (word, kind, *plurals, *also)
    if not all(isinstance(text, str) and text for text in texts):
        raise TypeError(f"the words of {entry} are not all texts")
    return Concept(word, kind, (), plurals, also, bool(entry.get("vague", False)))
