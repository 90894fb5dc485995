"""One option of a configuration: what its dataclass field carries, and how a value is checked. It names no
option."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import Field, dataclass, field, fields
from typing import Any

from clipcap_ext.errors import UsageError

KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}  # the only types of options
KIND_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
OR_NONE = " | None"
LONGEST_TEXT = 4000  # characters of an option that is text


@dataclass(frozen=True)
class Option:
    """What a field may hold, and the sentence that explains it wherever a person meets it.

    low, high: bounds of a number, `low` itself left out where `above`. choices: the only texts there are, if
    need be a table whose rows they name.
    """

    default: Any
    help: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    choices: Collection[str] = ()

    def bounds(self) -> str:
        """The range in words: "from 1 to 64"."""
        if self.above:
            return f"above {self.low}" + (f" and at most {self.high}" if math.isfinite(self.high) else "")
        if math.isfinite(self.high):
            return f"from {self.low} to {self.high}"
        return f"at least {self.low}" if math.isfinite(self.low) else "finite"

    def holds(self, value: float) -> bool:
        """Whether a number is within the range; NaN and the infinities never are."""
        if self.above and value == self.low:
            return False
        return self.low <= value <= self.high and abs(value) != math.inf


def option(
    default: Any, help: str, *, low: float = -math.inf, high: float = math.inf, choices: Collection[str] = ()
) -> Any:
    """A dataclass field with its Option."""
    return option_field(Option(default, help, low, high, choices=choices))


def option_field(option: Option) -> Any:
    """A dataclass field that carries `said`."""
    return field(default=option.default, metadata={"option": option})


def option_of(spec: Field[Any]) -> Option:
    """The Option of a field."""
    option: Option = spec.metadata["option"]
    return option


def kind_of(spec: Field[Any]) -> type:
    """int, float, str or bool; a field that may be None has the kind of its other values."""
    return KINDS[str(spec.type).removesuffix(OR_NONE)]


def check_fields(config: Any) -> None:
    """Check every field of a frozen dataclass of options; a whole number given where a float is meant becomes
    one."""
    for spec in fields(config):
        object.__setattr__(config, spec.name, checked(spec, getattr(config, spec.name)))


def checked(spec: Field[Any], value: Any) -> Any:
    """`value` as the field holds it; UsageError says what it must be."""
    option, kind = option_of(spec), kind_of(spec)
    may_be_none = str(spec.type).endswith(OR_NONE)
    if value is None and may_be_none:
        return None
    if option.choices and value not in option.choices:
        raise UsageError(f"{spec.name} must be one of {', '.join(option.choices)}, not {value!r}.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _float(value)
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        kind_text = KIND_WORDS[kind] + (" or left out" if may_be_none else "")
        raise UsageError(f"{spec.name} must be {kind_text}, not {value!r}.")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise UsageError(f"{spec.name} must have at most {LONGEST_TEXT} characters, not {len(value)}.")
    if isinstance(value, (int, float)) and kind is not bool and not option.holds(value):
        raise UsageError(f"{spec.name} must be {option.bounds()}, not {value}.")
    return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # refused as out of range, as every infinity is
