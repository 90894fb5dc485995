"""The decoding controls as data: what the form holds, which of them can act, the options they mean. No
interface."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.decoding_option import STRATEGIES
from clipcap_ext.options import LONGEST_TEXT

STRATEGY = "strategy"  # the one control that is no option: num_beams and temperature follow from it
START_STRATEGY = "beams"
RANDOM_SEED = -1


def rows() -> list[tuple[str, ...]]:
    """The controls as they are laid out: a row for the options that act in the same strategies, the first one
    beside the strategy itself."""
    groups: dict[tuple[str, ...], tuple[str, ...]] = {("beams", "sampling"): (STRATEGY,)}
    for name, option in DecodingOptions.table().items():
        groups[option.acts_in] = (*groups.get(option.acts_in, ()), name)
    return list(groups.values())


@dataclass(frozen=True)
class DecodingForm:
    """One value a control, by its name. Each strategy keeps its own values while another is chosen.

    lacking: the options that the chosen model's kind does not have; their values wait for another model.
    """

    values: Mapping[str, Any]
    lacking: frozenset[str] = frozenset()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The controls, in the order they are shown."""
        return tuple(name for row in rows() for name in row)

    @classmethod
    def start(cls) -> DecodingForm:
        """Where the controls stand until somebody moves them."""
        table = DecodingOptions.table()
        return cls({name: START_STRATEGY if name == STRATEGY else table[name].start for name in cls.names()})

    @classmethod
    def of(cls, options: DecodingOptions, lacking: Iterable[str] = ()) -> DecodingForm:
        """The form that gives a model's own best caption first, and beside it others that differ from it."""
        own = {
            name: getattr(options, name)
            for name, option in DecodingOptions.table().items()
            if options.strategy in option.acts_in
        }
        if options.strategy == "beams" and options.rank_by == "logprob":
            own["num_candidates"] = min(options.num_beams, most_candidates())
            own["diversity"] = DecodingOptions.table()["diversity"].start
        if own.get("seed", 0) is None:
            own["seed"] = RANDOM_SEED
        return cls({**cls.start().values, **own, STRATEGY: options.strategy}, frozenset(lacking))

    @classmethod
    def of_values(cls, values: Mapping[str, Any], lacking: Iterable[str] = ()) -> DecodingForm:
        """A form from whatever a page sends or remembers; a misfit falls back to where its control starts."""
        start = cls.start().values
        fitted = {name: _fitted(name, values.get(name), start[name]) for name in start}
        return cls(fitted, frozenset(lacking))

    @property
    def strategy(self) -> str:
        """One of STRATEGIES."""
        return str(self.values[STRATEGY])

    def candidates(self) -> int:
        """How many candidates the strategy gives."""
        asked: int = min(self.values["num_candidates"], most_candidates())
        return {"greedy": 1, "beams": min(asked, self.values["num_beams"])}.get(self.strategy, asked)

    def acting(self) -> frozenset[str]:
        """The controls that change something now; the others are to be greyed out."""
        table = DecodingOptions.table()
        names = {name for name, option in table.items() if self.strategy in option.acts_in} - self.lacking
        chooses = {STRATEGY} if {name for name in table if table[name].chooses} - self.lacking else set()
        return frozenset(chooses | names - ({"rank_by", "diversity"} if self.candidates() == 1 else set()))

    def options(self, one: bool = False) -> DecodingOptions:
        """The options; a random seed is drawn here, so that it can be shown. `one`: only the best caption is
        wanted."""
        asked = self.lasting(one)
        left_to_chance = asked.strategy == "sampling" and asked.seed is None
        return replace(asked, seed=secrets.randbelow(2**31)) if left_to_chance else asked

    def lasting(self, one: bool = True) -> DecodingOptions:
        """The options without what is drawn anew each time: the same for the same form, as a folder's journal
        notes them. `one`: only the best caption is wanted."""
        chosen = {name: self.values[name] for name in self.acting() - {STRATEGY}}
        if "num_candidates" in chosen:
            chosen["num_candidates"] = self.candidates()
        if one and self.strategy == "beams" and chosen.get("rank_by", "logprob") == "logprob":
            chosen |= {"num_candidates": 1, "diversity": 0.0}  # the same best one, without the others' texts
        if chosen.get("seed", 0) < 0:
            chosen["seed"] = None
        return DecodingOptions(**chosen)


def most_candidates() -> int:
    """The most candidates that a form can ask for."""
    return int(DecodingOptions.table()["num_candidates"].control.high or 1)


def _fitted(name: str, value: Any, start: Any) -> Any:
    """`value` as the control holds it, `start` where it cannot."""
    try:
        fitted = type(start)(value)
    except (TypeError, ValueError, OverflowError):
        return start
    if name == STRATEGY:
        return fitted if fitted in STRATEGIES else start
    option = DecodingOptions.table()[name]
    if option.control.own_words:
        return _text(value) or start
    return start if option.choices and fitted not in option.choices else fitted


def _text(value: Any) -> str:
    """A person's own words in one line, empty for what is none."""
    return " ".join(value.split())[:LONGEST_TEXT] if isinstance(value, str) else ""
