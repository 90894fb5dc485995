"""The data that flows through the package: options in, captions out; it knows no torch, no files and no
interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from clipcap_ext.decoding_option import Control, DecodingOption, decoding_option
from clipcap_ext.errors import UsageError
from clipcap_ext.options import check_fields

PRECISIONS = {"exact": "Exact", "fast": "Fast"}  # precision, and its words
TASKS = {"sentence": "A sentence", "detailed": "In detail", "tags": "Tags"}  # task, and its words
UNDERSCORES = {"spaces": "As spaces", "kept": "Kept"}  # underscores, and its words
RANKINGS = {  # rank_by, and its words
    "logprob": "Likelihood", "similarity": "Similarity to the picture", "both": "Both together",
    "consensus": "Both, and consensus",
}  # fmt: skip
WHEN_UNSURE = {"whole": "The whole caption", "short": "What it is about"}  # when_unsure, and its words
# what doubt is measured by: the classifier's surest concept, the cosine with the picture, GPT-2's own mean
MEASURES = ("evidence", "similarity", "logprob")
LONG = 256  # tokens that anything but a sentence may have, where nobody says how many
DIGITS = 4  # of a similarity or log-probability that are told: processors differ in the last ones


@dataclass(frozen=True)
class Keyword:
    """A label chosen for one image: its text, the facet it answers and its cosine with the image; of a
    tagger's, the probability."""

    text: str
    facet: str
    similarity: float


@dataclass(frozen=True)
class Candidate:
    """One decoded text, its mean log-probability a token (nats) and, where CLIP ranked, its cosine with the
    image; `score` is what stands for both, where both together ranked."""

    text: str
    avg_logprob: float
    similarity: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Doubt:
    """Why a caption may well be wrong: what was measured of it, by one of MEASURES, and the least at which
    this model's captions are right more often than not."""

    measure: str
    value: float
    least: float


@dataclass(frozen=True)
class Caption:
    """What a captioner says of one image; `candidates` are best first and `text` is the first of them.

    `doubt` is None where the model is as sure as it can be, or where that was never measured."""

    text: str
    model: str
    candidates: tuple[Candidate, ...]
    keywords: tuple[Keyword, ...] = ()
    doubt: Doubt | None = None


@dataclass(frozen=True)
class DecodingOptions:
    """How text is decoded: the one table of decoding options, which flags, REST, forms and training read.

    Greedy is the default; `temperature` above 0 samples; `num_beams` above 1 searches. Combinations in which
    an option would do nothing are refused with a UsageError.
    """

    task: str = decoding_option(
        "sentence",
        "What is written: sentence, detailed, tags, or the model is asked in your own words.",
        Control("Task", "What is written; or ask in your own words.", names=TASKS, own_words=True),
    )  # fmt: skip
    max_new_tokens: int = decoding_option(
        67,
        "Most tokens a caption may have; decoding stops earlier at a full stop.",
        Control("Longest caption", "In word pieces.", 5, 300),
        low=1, high=1024,
    )  # fmt: skip
    min_new_tokens: int = decoding_option(
        1,
        "Fewest tokens before the full stop or the end; max_new_tokens ends a caption all the same.",
        Control("Shortest caption", "Word pieces before it may end.", 1, 50),
        low=1, high=1024,
    )  # fmt: skip
    num_beams: int = decoding_option(
        1,
        "Beam search width; 1 is greedy or, with a temperature, sampling.",
        Control("Beams", "Width of the search.", 2, 16, start=5),
        low=1, high=64, acts_in=("beams",), chooses=True,
    )  # fmt: skip
    temperature: float = decoding_option(
        0.0,
        "0 takes the likeliest token; above 0 samples, 1 as the model learnt it.",
        Control("Temperature", "Below 1 is safer, above 1 is wilder.", 0.1, 2.0, 0.05, start=0.8),
        low=0, high=10, acts_in=("sampling",), chooses=True,
    )  # fmt: skip
    top_k: int = decoding_option(
        0,
        "Sample among the k likeliest tokens only; 0 is all.",
        Control("Top-k", "Only the k likeliest words; 0 is all.", 0, 100),
        low=0, high=1_000_000, acts_in=("sampling",),
    )  # fmt: skip
    top_p: float = decoding_option(
        1.0,
        "Sample among the likeliest tokens that make up this probability; 1 is all.",
        Control("Top-p", "Only the likeliest words up to this share.", 0.05, 1.0, 0.05),
        low=0, high=1, above=True, acts_in=("sampling",),
    )  # fmt: skip
    num_candidates: int = decoding_option(
        1,
        "Captions made per image (samples, or the best beams), best first.",
        Control("Candidates", "To choose from.", 1, 8, start=5),
        low=1, high=64, acts_in=("beams", "sampling"),
    )  # fmt: skip
    rank_by: str = decoding_option(
        "logprob",
        "Order of the candidates: logprob, similarity (asks CLIP), both, or consensus: both, and agreement.",
        Control("Order by", "What puts one candidate before another.", names=RANKINGS),
        acts_in=("beams", "sampling"),
    )  # fmt: skip
    no_repeat_ngram_size: int = decoding_option(
        0,
        "Never say the same n word pieces twice; 0 is off, 3 stops loops.",
        Control("No repeats of", "Word pieces in a row; 0 is off.", 0, 5),
        low=0, high=64,
    )  # fmt: skip
    repetition_penalty: float = decoding_option(
        1.0,
        "A word piece said already gets its logit divided by this (multiplied if below 0); 1 is off.",
        Control("Repetition penalty", "Above 1 makes what was said less likely; 1 is off.", 1.0, 2.0, 0.05),
        low=0.1, high=10,
    )  # fmt: skip
    length_penalty: float = decoding_option(
        1.0,
        "Beams are ranked by log-probability / length ** this; above 1 favours long.",
        Control("Length penalty", "Above 1 favours long captions.", 0.0, 2.0, 0.1),
        low=-10, high=10, acts_in=("beams",),
    )  # fmt: skip
    diversity: float = decoding_option(
        0.0,
        "Taken from a token's log-probability for each candidate before that says it at the same place.",
        Control("Variety", "How far the candidates differ; 0 takes the likeliest.", 0.0, 3.0, 0.1, start=1.0),
        low=0, high=100, acts_in=("beams",),
    )  # fmt: skip
    seed: int | None = decoding_option(
        None,
        "Seed of the sampling; with the same seed an image gets the same caption.",
        Control("Seed", "The same seed gives the same caption; -1 draws one.", start=-1),
        acts_in=("sampling",),
    )  # fmt: skip
    precision: str = decoding_option(
        "exact",
        "fast: in 8 bits on a CPU, about twice as fast, and some captions change; exact: as trained.",
        Control("Precision", "Fast: in 8 bits on a CPU; some captions change.", names=PRECISIONS),
    )  # fmt: skip
    when_unsure: str = decoding_option(
        "whole",
        "Where the model is not sure: the whole caption, or short, what it is about and no more.",
        Control("Where not sure", "The whole caption, or what it is about.", names=WHEN_UNSURE),
    )  # fmt: skip
    general_threshold: float = decoding_option(
        0.35,
        "A tagger says a tag from this probability on.",
        Control("Tags from", "Least probability of a tag.", 0.05, 0.95, 0.01),
        low=0, high=1, above=True,
    )  # fmt: skip
    character_threshold: float = decoding_option(
        0.85,
        "A tagger names a character from this probability on.",
        Control("Characters from", "Least probability of a character's name.", 0.05, 0.95, 0.01),
        low=0, high=1, above=True,
    )  # fmt: skip
    underscores: str = decoding_option(
        "spaces",
        "A tagger's tags: spaces, as prompts have them, or kept, as boorus write them.",
        Control("Underscores", "In tags: as spaces for prompts, or as boorus write them.", names=UNDERSCORES),
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_combinations()

    def _check_combinations(self) -> None:
        if not self.task.strip() or not self.task.isprintable():
            raise UsageError(f"task must be {', '.join(TASKS)}, or words of your own on one line.")
        if self.temperature > 0 and self.num_beams > 1:
            raise UsageError(
                "temperature (sampling) and num_beams (search) exclude each other: set one of them."
            )
        if self.num_candidates > self.num_beams and self.strategy != "sampling":
            raise UsageError(
                f"{self.num_candidates} candidates need sampling (temperature above 0) or at least as "
                f"many beams; num_beams is {self.num_beams}."
            )
        if self.num_candidates == 1 and self.rank_by != "logprob":
            raise UsageError(
                f"rank_by {self.rank_by} needs at least 2 candidates to choose from: raise num_candidates."
            )
        if self.num_candidates == 1 and self.diversity > 0:
            raise UsageError("diversity needs at least 2 candidates, that may differ: raise num_candidates.")
        for name, option in self.table().items():
            if getattr(self, name) != option.default and self.strategy not in option.acts_in:
                where = " or ".join(option.acts_in)
                raise UsageError(
                    f"{name} does nothing without {where}: {self._way_to(option)} or leave it out."
                )

    def check_without(self, lacking: Mapping[str, str]) -> None:
        """UsageError for an option of `lacking` (name -> why it is not there) that is not at its default, or
        that has the one value that is not there (name=value -> why)."""
        for lack, why in lacking.items():
            name, _, only = lack.partition("=")
            value = getattr(self, name)
            if value == only if only else value != self.table()[name].default:
                raise UsageError(
                    f"{name}={value} does not go with this kind of model: {why}. Leave {name} out."
                )

    def _way_to(self, option: DecodingOption) -> str:
        """What to set for a strategy that `option` acts in."""
        choosing = {name: other for name, other in self.table().items() if other.chooses}
        ways = [name for name, other in choosing.items() if set(other.acts_in) <= set(option.acts_in)]
        return " or ".join(f"set {name} above {choosing[name].default:g}" for name in ways)

    @classmethod
    def table(cls) -> dict[str, DecodingOption]:
        """Every option by its name, in the order in which they are listed everywhere."""
        return {spec.name: spec.metadata["option"] for spec in fields(cls)}

    @classmethod
    def strategy_of(cls, values: Mapping[str, Any]) -> str:
        """The strategy that `values`, one for each option, choose: `greedy` where none of them does."""
        chosen = [
            option.acts_in[0]
            for name, option in cls.table().items()
            if option.chooses and values[name] != option.default
        ]
        return chosen[0] if chosen else "greedy"

    @property
    def strategy(self) -> str:
        """One of STRATEGIES."""
        return self.strategy_of(vars(self))

    @classmethod
    def longest_for(cls, task: str) -> int:
        """The tokens that a task may have where nobody says how many."""
        table = cls.table()
        return int(table["max_new_tokens"].default) if task == table["task"].default else LONG

    def with_changes(self, **changes: Any) -> DecodingOptions:
        """A copy with some options changed, validated again; unknown names are a UsageError."""
        known = self.table()
        for name in changes:
            if name not in known:
                raise UsageError(f"Unknown decoding option {name!r}; known: {', '.join(known)}.")
        return replace(self, **changes)
