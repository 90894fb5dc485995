"""The constants of SBG's keyword selection, each with its source; no ranking happens here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from itertools import combinations
from typing import Any

from clipcap_ext.engine.sbg.labels import PARTS_OF_SPEECH
from clipcap_ext.errors import UsageError
from clipcap_ext.foreign_json import shown

NOTEBOOK = "SBG.ipynb of Anshler/CLIP-prefix_blind-guessing"


def _field(default: Any, source: str) -> Any:
    return field(default=default, metadata={"source": source})


@dataclass(frozen=True)
class SelectionConstants:
    """What the published selection fixes; a checkpoint may record other values than these defaults."""

    logit_scale: float = _field(100.0, f"{NOTEBOOK}: softmax(100 * cosine), CLIP's own largest scale")
    words_probability: float = _field(
        0.5, f"{NOTEBOOK}: bank words are kept until their summed probability passes this"
    )
    words_limit: int = _field(1000, f"{NOTEBOOK}: the first 1000 labels of words_pos are ranked")
    words_pos: tuple[str, ...] = _field(("NOUN", "ADV", "ADJ"), f"{NOTEBOOK}: nouns, adverbs and adjectives")
    words_most: int = _field(0, "this project: at most so many bank words; 0, as published, is no bound")
    group_limit: int = _field(100, f"{NOTEBOOK}: the first 100 labels of a group are ranked")
    group_keywords: int = _field(3, f"{NOTEBOOK}: the best 3 labels of a scenery, plant or object group")
    animal_keywords: int = _field(1, f"{NOTEBOOK}: the best 1 label of an animal group")
    activity_keywords: int = _field(
        1, f"{NOTEBOOK}: the best 1 label of the best activity group; the group is not said"
    )
    subjects: tuple[str, ...] = _field(
        ("landscape", "people", "animal", "plant", "some object"),
        f"{NOTEBOOK}: alone, in pairs and in triples",
    )
    always: tuple[str, ...] = _field(
        ("landscape", "some object"), f"{NOTEBOOK}: branches that open for every image"
    )
    people_one: tuple[str, ...] = _field(
        ("a man", "a woman", "a boy", "a girl", "an old man", "an old woman"), f"{NOTEBOOK}: one person"
    )
    people_kinds: tuple[str, ...] = _field(
        ("men", "women", "boys", "girls", "old men", "old women", "people"),
        f"{NOTEBOOK}: several; 'people' come last",
    )
    people_counts: tuple[str, ...] = _field(("two", "three", "four"), f"{NOTEBOOK}: how many of people_kinds")
    people_many: tuple[str, ...] = _field(("a crowd of people",), f"{NOTEBOOK}: more than can be counted")
    colours: tuple[str, ...] = _field(
        ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black"),
        f"{NOTEBOOK}: of each garment",
    )
    garments: tuple[str, ...] = _field(
        ("shirt", "suit", "cloth", "jacket"), f"{NOTEBOOK}: each in every colour"
    )
    object_groups_left_out: tuple[str, ...] = _field(
        ("clothing and fashion",), f"{NOTEBOOK}: clothes have a question of their own"
    )
    indoor: str = _field("indoor", f"{NOTEBOOK}: where the hierarchy said this, the weather is not asked")
    picture: str = _field("picture of {}.", f"{NOTEBOOK}: subjects, groups, people and labels")
    during: str = _field("picture during {}.", f"{NOTEBOOK}: time and weather")
    activity: str = _field("activity is {}.", f"{NOTEBOOK}: activities")
    wearing: str = _field("wearing {}.", f"{NOTEBOOK}: clothes")
    bare: str = _field("{}", f"{NOTEBOOK}: bank words, and every keyword in the last ranking")
    concepts_low: float = _field(
        0.0,
        "this project: what the encoder's classifier saw, from this probability on; 0, as published, is none",
    )
    concepts_most: int = _field(2, "this project: at most so many things that the classifier saw")
    concepts_boost: float = _field(
        0.0, "this project: added to the logits of their words until a caption says them; 0, as published"
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check_kind(spec.name, getattr(self, spec.name), spec.default)
        unknown = sorted(set(self.words_pos) - set(PARTS_OF_SPEECH))
        if unknown:
            raise UsageError(
                f"Unknown parts of speech {', '.join(unknown)}; known: {', '.join(PARTS_OF_SPEECH)}."
            )
        if not 0 < self.words_probability <= 1 or self.logit_scale <= 0:
            raise UsageError("words_probability must be above 0 and at most 1, logit_scale above 0.")
        if not 0 <= self.concepts_low <= 1:
            raise UsageError("concepts_low must be from 0 to 1.")

    def subject_sets(self) -> tuple[tuple[str, ...], ...]:
        """Each subject alone, all pairs, all triples, in the published order."""
        return tuple(subjects for size in (1, 2, 3) for subjects in combinations(self.subjects, size))

    def people(self) -> tuple[str, ...]:
        """The phrases of count and kind, in the published order: one, then by count and kind, 'N people', the
        crowd."""
        kinds, everyone = self.people_kinds[:-1], self.people_kinds[-1]
        counted = [f"{count} {kind}" for count in self.people_counts for kind in kinds]
        return (
            *self.people_one,
            *counted,
            *(f"{count} {everyone}" for count in self.people_counts),
            *self.people_many,
        )

    def clothes(self) -> tuple[str, ...]:
        """Every garment in every colour, garment by garment."""
        return tuple(f"{colour} {garment}" for garment in self.garments for colour in self.colours)

    def changes(self) -> dict[str, Any]:
        """Only what differs from the published values: what a checkpoint records."""
        published = asdict(SelectionConstants())
        return {name: value for name, value in asdict(self).items() if value != published[name]}

    @classmethod
    def from_changes(cls, changes: dict[str, Any]) -> SelectionConstants:
        """Read `changes`; UsageError for a name that is no constant."""
        unknown = sorted(set(changes) - {spec.name for spec in fields(cls)})
        if unknown:
            raise UsageError(f"Unknown selection constants: {', '.join(unknown)}.")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
        }
        return cls(**values)


def _check_kind(name: str, value: Any, default: Any) -> None:
    """UsageError unless a constant is of its default's kind, and a template has one place for the words."""
    if isinstance(default, tuple):
        right = isinstance(value, tuple) and all(isinstance(text, str) and text.strip() for text in value)
        if not right or (default and not value):
            raise UsageError(f"{name} must be a list of texts, not {shown(value)}.")
    elif isinstance(default, str):
        if not isinstance(value, str):
            raise UsageError(f"{name} must be a text, not {shown(value)}.")
        braces = value.count("{"), value.count("}"), value.count("{}")
        if "{}" in default and braces != (1, 1, 1):
            raise UsageError(f"{name} must hold {{}} once, where the words go, not {shown(value)}.")
    else:
        whole = isinstance(default, int)
        if type(value) in ((int,) if whole else (int, float)) and value >= 0:
            return
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{name} must be {kind} that is not below 0, not {shown(value)}.")
