"""DecodingOptions on a command line: one flag a field, and how flags join a model's defaults; no other
options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from clipcap_ext.caption import DecodingOptions

TYPES = {"int": int, "float": float, "str": str, "int | None": int}
SAMPLING = ("top_k", "top_p", "seed")


def add_decoding_flags(parser: argparse.ArgumentParser) -> None:
    """A group of flags, None where they are left out, so that defaults stand in one place only."""
    group = parser.add_argument_group("decoding (left out: what gives the model's best captions)")
    for spec in fields(DecodingOptions):
        flag = f"--{spec.name.replace('_', '-')}"
        metavar = spec.name.rpartition("_")[2].upper()
        group.add_argument(flag, type=TYPES[str(spec.type)], metavar=metavar, help=spec.metadata["help"])


def given_decoding(args: argparse.Namespace) -> dict[str, Any]:
    """The decoding options that were given."""
    values = {spec.name: getattr(args, spec.name) for spec in fields(DecodingOptions)}
    return {name: value for name, value in values.items() if value is not None}


def join_options(defaults: DecodingOptions, given: Mapping[str, Any]) -> DecodingOptions:
    """`defaults` changed to what was given; a default that stands against it gives way.

    So `temperature` alone turns beams off, `num_beams` alone turns sampling off, and more candidates than
    beams widen the search. Two given options that exclude each other stay a UsageError.
    """
    off = DecodingOptions()
    values = {**asdict(defaults), **given}

    def give_way(*names: str) -> None:
        values.update({name: getattr(off, name) for name in names if name not in given})

    if given.get("temperature", 0) > 0:
        give_way("num_beams")
    if given.get("num_beams", 1) > 1:
        give_way("temperature")
    if values["temperature"] == 0:
        give_way(*SAMPLING)
        if "num_beams" not in given:
            values["num_beams"] = max(values["num_beams"], values["num_candidates"])
    if values["num_candidates"] > values["num_beams"] and values["temperature"] == 0:
        give_way("num_candidates")
    if values["num_beams"] == 1:
        give_way("length_penalty")
    if values["num_candidates"] == 1:
        give_way("rank_by")
    return DecodingOptions(**values)
