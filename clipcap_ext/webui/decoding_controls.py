"""The decoding controls as data: what the form holds, which of them can act, the options they mean. No
interface."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from clipcap_ext.caption import RANKINGS, DecodingOptions

STRATEGIES = ("greedy", "beams", "sampling")
RANDOM_SEED = -1
MOST_CANDIDATES = 8


@dataclass(frozen=True)
class DecodingForm:
    """One value a control, in the order they are shown. Each strategy keeps its own values while another is
    chosen."""

    strategy: str = "beams"
    num_candidates: int = 5
    rank_by: str = "logprob"
    num_beams: int = 5
    length_penalty: float = 1.0
    temperature: float = 0.8
    top_p: float = 1.0
    top_k: int = 0
    seed: int = RANDOM_SEED
    max_new_tokens: int = 67
    no_repeat_ngram_size: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The controls, in order."""
        return tuple(spec.name for spec in fields(cls))

    @classmethod
    def of(cls, options: DecodingOptions) -> DecodingForm:
        """The form that gives a model's own best caption first, with the candidates that come for nothing
        beside it."""
        form = cls(
            options.strategy, options.num_candidates, options.rank_by,
            max_new_tokens=options.max_new_tokens, no_repeat_ngram_size=options.no_repeat_ngram_size,
        )  # fmt: skip
        if options.strategy == "beams":
            candidates = options.num_candidates
            if options.rank_by == "logprob":  # the other beams are there anyway
                candidates = min(options.num_beams, MOST_CANDIDATES)
            return replace(
                form,
                num_beams=options.num_beams,
                length_penalty=options.length_penalty,
                num_candidates=candidates,
            )
        if options.strategy == "sampling":
            seed = RANDOM_SEED if options.seed is None else options.seed
            return replace(
                form, temperature=options.temperature, top_p=options.top_p, top_k=options.top_k, seed=seed,
            )  # fmt: skip
        return replace(form, num_candidates=cls.num_candidates)

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> DecodingForm:
        """A form from whatever a page sends or remembers: unknown names and misfits fall back to the
        defaults."""
        kept: dict[str, Any] = {}
        for spec in fields(cls):
            value = values.get(spec.name)
            try:
                fitted = type(spec.default)(value)
            except (TypeError, ValueError, OverflowError):
                continue
            kept[spec.name] = fitted
        if kept.get("strategy") not in STRATEGIES:
            kept.pop("strategy", None)
        if kept.get("rank_by") not in RANKINGS:
            kept.pop("rank_by", None)
        return cls(**kept)

    def most_candidates(self) -> int:
        """How many candidates this strategy can give."""
        return {"greedy": 1, "beams": min(self.num_beams, MOST_CANDIDATES), "sampling": MOST_CANDIDATES}[
            self.strategy
        ]

    def acting(self) -> frozenset[str]:
        """The controls that change something now; the others are to be greyed out."""
        names = {"strategy", "max_new_tokens", "no_repeat_ngram_size"}
        if self.strategy == "beams":
            names |= {"num_beams", "length_penalty", "num_candidates"}
        if self.strategy == "sampling":
            names |= {"temperature", "top_p", "top_k", "seed", "num_candidates"}
        if min(self.num_candidates, self.most_candidates()) > 1:
            names.add("rank_by")
        return frozenset(names)

    def options(self, one: bool = False) -> DecodingOptions:
        """The options; a random seed is drawn here, so that it can be shown. `one`: only the best caption is
        wanted."""
        candidates = min(self.num_candidates, self.most_candidates())
        if one and self.rank_by == "logprob" and self.strategy == "beams":
            candidates = 1  # the same best one, without the others' texts
        chosen = {name: getattr(self, name) for name in self.acting() - {"strategy", "rank_by", "seed"}}
        chosen["num_candidates"] = candidates
        if candidates > 1:
            chosen["rank_by"] = self.rank_by
        if self.strategy == "sampling":
            chosen["seed"] = secrets.randbelow(2**31) if self.seed < 0 else self.seed
        return DecodingOptions(**chosen)
