"""What one field of DecodingOptions carries: its range, the strategies it acts in, how a form shows it. The
options themselves stand in caption.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipcap_ext.options import Option, option_field

STRATEGIES = ("greedy", "beams", "sampling")


@dataclass(frozen=True)
class Control:
    """How a form shows an option. Its words are English, the keys of the localisations.

    low, high, step: the span of a slider, narrower than what is allowed; without them it is a box for a
    number. start: where it stands until somebody moves it (None: the option's default). names: a choice's
    words; own_words: or any other text.
    """

    label: str
    info: str
    low: float | None = None
    high: float | None = None
    step: float = 1
    start: Any = None
    names: Mapping[str, str] = field(default_factory=dict)
    own_words: bool = False


@dataclass(frozen=True, kw_only=True)
class DecodingOption(Option):
    """An option of decoding: it acts in the strategies `acts_in`, and nowhere else may it differ from its
    default.

    chooses: any value but the default chooses the strategy it acts in, as num_beams chooses beams.
    """

    control: Control
    acts_in: tuple[str, ...] = STRATEGIES
    chooses: bool = False

    @property
    def start(self) -> Any:
        """Where a form's control stands at first."""
        return self.default if self.control.start is None else self.control.start


def decoding_option(
    default: Any, help: str, control: Control, *, low: float = -math.inf, high: float = math.inf,
    above: bool = False, acts_in: tuple[str, ...] = STRATEGIES, chooses: bool = False,
) -> Any:  # fmt: skip
    """A field of DecodingOptions. Its choices, if it has any, are those that `control` names."""
    return option_field(
        DecodingOption(
            default=default, help=help, low=low, high=high, above=above,
            choices=() if control.own_words else tuple(control.names),
            control=control, acts_in=acts_in, chooses=chooses,
        )
    )  # fmt: skip
