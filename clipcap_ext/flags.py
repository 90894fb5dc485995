"""DecodingOptions on a command line: one flag a field, and how flags join a model's defaults; no other
options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.options import kind_of, option_of


def positive(text: str) -> int:
    """A whole number from 1 on, as argparse asks for one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def add_decoding_flags(parser: argparse.ArgumentParser) -> None:
    """A group of flags, None where they are left out, so that defaults stand in one place only."""
    group = parser.add_argument_group("decoding (left out: what gives the model's best captions)")
    for spec in fields(DecodingOptions):
        flag = f"--{spec.name.replace('_', '-')}"
        metavar = spec.name.rpartition("_")[2].upper()
        group.add_argument(flag, type=kind_of(spec), metavar=metavar, help=option_of(spec).help)


def given_decoding(args: argparse.Namespace) -> dict[str, Any]:
    """The decoding options that were given."""
    values = {name: getattr(args, name) for name in DecodingOptions.table()}
    return {name: value for name, value in values.items() if value is not None}


def join_options(
    defaults: DecodingOptions, given: Mapping[str, Any], lacking: Mapping[str, str] = MappingProxyType({})
) -> DecodingOptions:
    """`defaults` changed to what was given; a default that stands against it gives way.

    So `temperature` alone turns beams off, `num_beams` alone turns sampling off, more candidates than beams
    widen the search and differ, any other task than a sentence may be longer, and what does not act in the
    strategy that comes out goes back to DecodingOptions' own default. Two given options that exclude each
    other stay a UsageError, and so does one that the model's kind lacks (name -> why).
    """
    table = DecodingOptions.table()
    values = {**asdict(defaults), **given}

    def give_way(*names: str) -> None:
        values.update({name: table[name].default for name in names if name not in given})

    choosing = [name for name, option in table.items() if option.chooses]
    if any(name in given and given[name] != table[name].default for name in choosing):
        give_way(*choosing)
    if DecodingOptions.strategy_of(values) != "sampling":
        if "num_beams" not in given:
            values["num_beams"] = max(values["num_beams"], values["num_candidates"])
        if values["num_candidates"] > values["num_beams"]:
            give_way("num_candidates")
    strategy = DecodingOptions.strategy_of(values)
    give_way(*(name for name, option in table.items() if strategy not in option.acts_in))
    if values["num_candidates"] == 1:
        give_way("rank_by", "diversity")
    elif strategy == "beams" and "num_candidates" in given and not {"diversity"} & {*given, *lacking}:
        values["diversity"] = table["diversity"].start
    if "max_new_tokens" not in given and values["max_new_tokens"] == table["max_new_tokens"].default:
        values["max_new_tokens"] = DecodingOptions.longest_for(values["task"])
    options = DecodingOptions(**values)
    options.check_without(lacking)
    return options
