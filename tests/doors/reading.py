"""Runs in the installed environment: reads commands with the doors' own parsers, and does nothing else.

Standard input: a JSON list of [module, [word, ...]]. Standard output: a JSON list of what is wrong with each,
empty where nothing is.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout


def fault(module: str, words: list[str]) -> str:
    """What the door says against the words."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            read(module, words)
    except SystemExit as ended:
        return said.getvalue() or str(ended) if ended.code else ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def read(module: str, words: list[str]) -> None:
    """Parse the words, and resolve the configuration or the plan that they name."""
    door = importlib.import_module(f"{module}.__main__")
    if words[:1] == ["compare"]:  # a door of its own behind evaluate's
        return
    args = door.parser().parse_args(words)
    if module == "clipcap_ext.train" and not args.list:
        from clipcap_ext.train.presets import find_preset
        from clipcap_ext.train.run import resolve

        resolve(find_preset(args.preset), args.config, args.set)
    elif module == "clipcap_ext.evaluate":
        from clipcap_ext.evaluate.arguments import request_of

        request_of(args)
    elif module == "clipcap_ext.reproduce" and door.main([*words, "--dry-run"]):
        raise SystemExit("no such plan")


def flags() -> Iterator[str]:
    """Every flag of every door."""
    for name in ("", ".train", ".evaluate", ".reproduce", ".corpus", ".labels"):
        yield from flags_of(importlib.import_module(f"clipcap_ext{name}.__main__").parser())


def flags_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Those of a parser and of the commands below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from flags_of(below)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump({"faults": [fault(*one) for one in asked], "flags": sorted(set(flags()))}, sys.stdout)
