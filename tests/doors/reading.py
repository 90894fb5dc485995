"""Runs in the installed environment: reads commands with the doors' own parsers, and does nothing else.

Standard input: a JSON list of [module, [word, ...]]. Standard output: what is wrong with each, empty where
nothing is; every flag that the doors take; the commands that their own help prints.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType


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
    behind = word_parsers(door)
    if words and words[0] in behind:
        behind[words[0]].parse_args(words[1:])
        return
    args = door.parser().parse_args(words)
    if module == "clipcap_ext.train" and args.preset and not args.list:
        from clipcap_ext.train.presets import find_preset
        from clipcap_ext.train.run import resolve

        resolve(find_preset(args.preset), args.config, args.set)
    elif module == "clipcap_ext.evaluate":
        from clipcap_ext.evaluate.arguments import request_of

        request_of(args)
    elif module == "clipcap_ext.reproduce" and not args.render and not door.request_of(args).recipes:
        raise SystemExit("no such rows")


def parsers() -> Iterator[argparse.ArgumentParser]:
    """Those of every door, and of the commands below."""
    for name in ("", ".train", ".evaluate", ".reproduce", ".corpus", ".labels"):
        door = importlib.import_module(f"clipcap_ext{name}.__main__")
        yield from and_below(door.parser())
        yield from word_parsers(door).values()


def word_parsers(door: ModuleType) -> dict[str, argparse.ArgumentParser]:
    """Those of the commands that have a word and a parser of their own, as evaluate's `compare`."""
    return door.word_parsers() if hasattr(door, "word_parsers") else {}


def and_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from and_below(below)


def examples(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The commands that end a help; one that is cut short by dots is none."""
    for line in (parser.epilog or "").splitlines():
        if "python -m" in line and line.startswith("  ") and "..." not in line:
            yield line.strip()


def main() -> None:
    """Read what was asked."""
    asked = json.load(sys.stdin)
    said = {
        "faults": [fault(*one) for one in asked],
        "flags": sorted({flag for one in parsers() for flag in one._option_string_actions}),
        "examples": [line for one in parsers() for line in examples(one)],
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
