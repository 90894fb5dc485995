"""The door of label banks: python -m clipcap_ext.labels build --data DIR --out FILE; the work is in
build.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clipcap_ext.exit_codes import DONE, exit_code, say_aside
from clipcap_ext.labels.build import MIN_FREQUENCY


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext.labels", description="Make and read SBG's label banks."
    )
    doors = made.add_subparsers(dest="door", required=True)
    build = doors.add_parser("build", help="make a bank from a data set's training captions")
    build.add_argument("--data", type=Path, required=True, help="folder or file of the data set")
    build.add_argument("--out", type=Path, required=True, help="JSON file to write")
    build.add_argument(
        "--split", default="karpathy", choices=("karpathy", "paper"), help="which captions train"
    )
    build.add_argument("--layout", default="auto", help="form of the data set (default: %(default)s)")
    build.add_argument(
        "--min-frequency",
        type=int,
        default=MIN_FREQUENCY,
        help="rarer words are left out (default: %(default)s)",
    )
    build.add_argument(
        "--wordnet", type=Path, help="folder of WordNet's database files, if it is not found by itself"
    )
    build.add_argument("--pipeline", help="a spaCy pipeline (default: the installed English one)")
    show = doors.add_parser(
        "show", help="say what is in a bank (ours, or the published label list and taxonomy)"
    )
    show.add_argument("bank", type=Path, help="file or folder")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    args = parser().parse_args(arguments)
    return exit_code(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    print(_build(args) if args.door == "build" else _show(args.bank))
    return DONE


def _build(args: argparse.Namespace) -> Path:
    from clipcap_ext.engine.sbg.label_files import write_bank
    from clipcap_ext.labels.build import build_from_data
    from clipcap_ext.labels.tagging import SpacyTagger
    from clipcap_ext.labels.wordnet import find_wordnet

    bank = build_from_data(
        args.data, args.split, SpacyTagger(args.pipeline), find_wordnet(args.wordnet), layout=args.layout,
        min_frequency=args.min_frequency, say=say_aside,
    )  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_bank(bank, args.out)
    return args.out


def _show(path: Path) -> str:
    from clipcap_ext.engine.sbg.label_files import read_bank

    bank = read_bank(path)
    lines = [f"{key}: {value}" for key, value in bank.provenance.items()] + [f"labels: {len(bank.labels)}"]
    for facet, members in bank.taxonomy.items():
        groups = members.items() if not isinstance(members, tuple) else [("", members)]
        lines += [
            f"{facet:10} {group:22} {len(labels):5}  {', '.join(labels[:8])}" for group, labels in groups
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
