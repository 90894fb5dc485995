"""The door of the tables: python -m clipcap_ext.reproduce --table NAME --data DIR --out DIR; the work is in
run.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.errors import UsageError
from clipcap_ext.exit_codes import DONE, FAILED, exit_code, say_aside
from clipcap_ext.reproduce.recipes import SMOLLM2

if TYPE_CHECKING:
    from clipcap_ext.reproduce.run import Request


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext.reproduce",
        description="Make the rows of a paper's table and write results.json, results.md and plots into OUT.",
    )
    add = made.add_argument
    add("--table", help="flickr8k, flickr30k, coco, nocaps or conceptual")
    add("--row", help="one row of the table (default: all)")
    add("--data", type=Path, help="folder or annotation file of the data set")
    add("--images", type=Path, help="folder of the photos, if not with the annotations")
    add("--out", type=Path, required=True, help="folder of results and runs; finished rows are kept")
    add("--stand-in", action="store_true", help="a small encoder and a small GPT-2 from scratch instead")
    add("--seeds", default="0", metavar="N,N", help="a run for each (default: 0)")
    add("--cache", type=Path, help="folder of encoded photos (default: OUT/features)")
    add("--gpt2-bpe", type=Path, help="GPT-2's vocab.json and merges.txt, for --stand-in (default: Hub's)")
    add("--lm", type=Path, default=Path(SMOLLM2), help="folder for rows smollm2-... (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--dry-run", action="store_true", help="say what would be done, and end as that would; do nothing")
    add("--render", action="store_true", help="only write results.md and plots from OUT/results.json")
    smoke = made.add_argument_group("smoke run", "to see that a row runs; kept apart, and marked as such")
    smoke.add_argument("--limit", type=int, metavar="N", help="train and score on so many images")
    setting = "another setting of the training; may be repeated"
    smoke.add_argument("--set", dest="settings", action="append", default=[], metavar="K=V", help=setting)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 failed or a row left open, 2 wrong usage."""
    args = parser().parse_args(arguments)
    return exit_code(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from clipcap_ext.reproduce.run import plan, render, reproduce

    if args.render:
        render(args.out)
        return DONE
    request = request_of(args)
    if args.dry_run:
        steps = list(plan(request))
        print("\n".join(step.said for step in steps))
        return FAILED if any(step.stays_open for step in steps) else DONE
    left_open = reproduce(request, say_aside)
    print("\n".join([*left_open, str(args.out / "results.md")]))
    return FAILED if left_open else DONE


def request_of(args: argparse.Namespace) -> Request:
    """What was asked for; UsageError for words that do not do."""
    from clipcap_ext.reproduce.run import Request

    if args.table is None or args.data is None:
        raise UsageError("Give --table and --data (or --render).")
    return Request(
        args.table, args.data, args.out, args.row, args.stand_in, _seeds(args.seeds), args.cache,
        args.gpt2_bpe, args.images, args.device, args.limit, tuple(args.settings), args.lm,
    )  # fmt: skip


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise UsageError(f"--seeds {text}: whole numbers separated by commas, such as 0,1,2.") from error


if __name__ == "__main__":
    sys.exit(main())
