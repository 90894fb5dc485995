"""Labels, the words that SBG may see in a picture, and their taxonomy; plain data that knows no torch and no
files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clipcap_ext.errors import UsageError

PARTS_OF_SPEECH = ("NOUN", "VERB", "ADJ", "ADV", "NUM")
# The facets of the published taxonomy; those of FLAT_FACETS are one list, the others have named groups.
FLAT_FACETS = ("human", "number", "adverb", "adjective")
GROUPED_FACETS = ("scenery", "animal", "plant", "object", "activity", "weather", "time")
FORBIDDEN = (
    ",",
    "###",
    "<|endoftext|>",
    "\n",
    "\r",
)  # each would end a keyword, or the prompt, before its time


@dataclass(frozen=True)
class Label:
    """One entry of a bank: a lemma, its part of speech (Universal Dependencies), how often the corpus has it.

    `merged` names the synonyms that were counted with it.
    """

    text: str
    pos: str
    frequency: int
    merged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text(self.text)
        if self.pos not in PARTS_OF_SPEECH:
            raise UsageError(
                f"The label {self.text!r} is a {self.pos!r}; known: {', '.join(PARTS_OF_SPEECH)}."
            )
        if isinstance(self.frequency, bool) or not isinstance(self.frequency, int) or self.frequency < 0:
            raise UsageError(
                f"The label {self.text!r} has frequency {self.frequency!r}: a whole number is wanted."
            )


@dataclass(frozen=True)
class LabelBank:
    """Labels, most frequent first, and the taxonomy that sorts some of them into facets and groups.

    A text that comes twice in the labels, or twice in one group, is kept once, where it first stood. A group
    may be empty. `taxonomy` maps each of GROUPED_FACETS to {group: labels} and each of FLAT_FACETS to labels;
    a facet that is left out is empty. `provenance` says where it all comes from.
    """

    labels: tuple[Label, ...]
    taxonomy: Mapping[str, Mapping[str, tuple[str, ...]] | tuple[str, ...]]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept: dict[str, Label] = {}
        for label in self.labels:
            kept.setdefault(label.text, label)
        object.__setattr__(self, "labels", tuple(kept.values()))
        unknown = sorted(set(self.taxonomy) - {*FLAT_FACETS, *GROUPED_FACETS})
        if unknown:
            known = ", ".join([*GROUPED_FACETS, *FLAT_FACETS])
            raise UsageError(f"The taxonomy has unknown facets {', '.join(unknown)}; known: {known}.")
        object.__setattr__(
            self, "taxonomy", {facet: _facet(facet, members) for facet, members in self.taxonomy.items()}
        )

    def words(self, parts_of_speech: Iterable[str], limit: int) -> tuple[str, ...]:
        """The first `limit` texts that are one of `parts_of_speech`."""
        wanted = set(parts_of_speech)
        return tuple(label.text for label in self.labels if label.pos in wanted)[:limit]

    def groups(self, facet: str) -> dict[str, tuple[str, ...]]:
        """The groups of a facet of GROUPED_FACETS and their labels, in the taxonomy's order."""
        groups = self.taxonomy.get(facet, {})
        return dict(groups) if isinstance(groups, Mapping) else {}

    def members(self, facet: str) -> tuple[str, ...]:
        """The labels of a facet of FLAT_FACETS."""
        return tuple(self.taxonomy.get(facet, ()))


def check_text(text: object) -> None:
    """UsageError unless `text` can stand in a prompt as one keyword."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"A keyword must be a text that is not empty, not {text!r}.")
    for mark in FORBIDDEN:
        if mark in text:
            raise UsageError(
                f"The keyword {text!r} holds {mark!r}, which ends a keyword: write it as two, or without."
            )


def _facet(facet: str, members: object) -> Mapping[str, tuple[str, ...]] | tuple[str, ...]:
    if facet in FLAT_FACETS:
        return _texts(members, facet)
    if not isinstance(members, Mapping):
        raise UsageError(
            f"The facet {facet} must map its groups to labels, not be a {type(members).__name__}."
        )
    for group in members:
        check_text(group)
    return {group: _texts(labels, f"{facet}, {group}") for group, labels in members.items()}


def _texts(texts: object, where: str) -> tuple[str, ...]:
    if not isinstance(texts, (list, tuple)):
        raise UsageError(f"The labels of {where} must be a list, not a {type(texts).__name__}.")
    for text in texts:
        check_text(text)
    return tuple(dict.fromkeys(texts))
