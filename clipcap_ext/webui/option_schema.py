"""DecodingOptions in the words of JSON schema, for the REST page; the checks are DecodingOptions' own."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.options import kind_of

TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def options_schema() -> dict[str, Any]:
    """What a request's `options` object may hold. A property is left out for the model's own choice."""
    kinds = {spec.name: kind_of(spec) for spec in fields(DecodingOptions)}
    properties = {name: _property(name, kind) for name, kind in kinds.items()}
    return {"properties": properties, "additionalProperties": False, "example": {"num_beams": 3}}


def _property(name: str, kind: type) -> dict[str, Any]:
    option = DecodingOptions.table()[name]
    acts = f" Acts in: {', '.join(option.acts_in)}."
    schema: dict[str, Any] = {
        "type": TYPES[kind], "title": option.control.label, "description": option.help + acts,
    }  # fmt: skip
    bounds = {"minimum": option.low, "maximum": option.high}
    schema |= {word: bound for word, bound in bounds.items() if math.isfinite(bound)}
    return schema | ({"enum": list(option.choices)} if option.choices else {})
