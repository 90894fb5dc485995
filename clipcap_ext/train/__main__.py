"""The door of training: python -m clipcap_ext.train PRESET --data DIR --out DIR; everything else is in
run.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.exit_codes import DONE, exit_code, say_aside


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext.train", description="Train a preset on a data set."
    )
    made.add_argument("preset", nargs="?", help="name of a preset; see --list")
    made.add_argument("--data", type=Path, help="folder or file of the data set")
    made.add_argument(
        "--out", type=Path, help="new folder for the logs, best/, last/ and the resumable state"
    )
    made.add_argument(
        "--config", type=Path, help="JSON file of options, for example the config.json of another run"
    )
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one option; repeatable"
    )
    made.add_argument("--cache", type=Path, help="folder of encoded features (default: OUT/features)")
    made.add_argument(
        "--resume", action="store_true",
        help="go on with the run in OUT, which knows its own settings and data; --set epochs=N gives it more",
    )  # fmt: skip
    made.add_argument("--list", action="store_true", help="list the presets; with a preset, its options")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    args = parser().parse_args(arguments)
    return exit_code(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    if args.list:
        print(_listing(args.preset))
        return DONE
    if not (args.out and (args.resume or (args.preset and args.data))):
        raise UsageError("Give a preset, --data and --out; --list shows the presets. --resume needs --out.")
    from clipcap_ext.train.run import train

    best = train(
        args.preset, args.data, args.out, config_file=args.config, assignments=args.set,
        resume=args.resume, cache=args.cache, say=say_aside,
    )  # fmt: skip
    print(best)
    return DONE


def _listing(name: str | None) -> str:
    from clipcap_ext.train.config import options_text
    from clipcap_ext.train.presets import PRESETS, find_preset

    if name is None:
        return "\n".join(f"{preset.name:28} {preset.summary}" for preset in PRESETS.values())
    preset = find_preset(name)
    departures = "".join(f"\n  departs: {text}" for text in preset.departures)
    return f"{preset.name}: {preset.summary}{departures}\n{options_text(preset.config)}"


if __name__ == "__main__":
    sys.exit(main())
