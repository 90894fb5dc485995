"""The door of evaluation: python -m clipcap_ext.evaluate MODEL --data DIR, or one of the commands that have a
word of their own, such as compare; it scores nothing itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from clipcap_ext.evaluate.arguments import parser, request_of
from clipcap_ext.evaluate.leaderboard import command as leaderboard
from clipcap_ext.evaluate.leak import command as leak
from clipcap_ext.evaluate.report import compare
from clipcap_ext.evaluate.report.printed import results_table
from clipcap_ext.evaluate.report.results import check_writable, write_results
from clipcap_ext.exit_codes import DONE, FAILED, exit_code, say_aside
from clipcap_ext.flags import given_decoding

COMMANDS: dict[str, Callable[[Sequence[str]], str]] = {
    compare.WORD: compare.compare_command, leaderboard.WORD: leaderboard.leaderboard_command,
    leak.WORD: lambda words: leak.leak_command(words, say_aside),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return exit_code(lambda: _by_word(given))


def _by_word(given: Sequence[str]) -> int:
    """One of the commands that have a word of their own, else an evaluation."""
    if not given or given[0] not in COMMANDS:
        return _run(given)
    print(COMMANDS[given[0]](given[1:]))
    return DONE


def word_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands that have a word of their own."""
    return {module.WORD: module.parser() for module in (compare, leaderboard, leak)}


def _run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments)
    if args.submission is not None:
        return _submit(args)
    if args.out is not None:
        check_writable(args.out)
    if args.record:
        from clipcap_ext.evaluate.report.checkpoint_scores import record_scores, recordable_folder

        folder = recordable_folder(args.model)
    results = _evaluate(args)
    if args.out is not None:
        write_results(args.out, results)
    if args.record:
        record_scores(folder, results)
    print(results_table(results))
    return DONE


def _submit(args: argparse.Namespace) -> int:
    from clipcap_ext.evaluate.run import write_for_server

    request = request_of(args)
    check_writable(args.submission, "--submission")
    empty = write_for_server(args.model, args.submission, request, given_decoding(args), say_aside)
    print(args.submission)
    if empty:
        say_aside(f"{len(empty)} captions are empty, for these images cannot be read: {', '.join(empty[:5])}")
    return FAILED if empty else DONE


def _evaluate(args: argparse.Namespace) -> dict[str, Any]:
    request = request_of(args)
    if args.hypotheses is not None:  # which needs no torch
        from clipcap_ext.evaluate.hypotheses.evaluation import evaluate_hypotheses

        return evaluate_hypotheses(args.hypotheses, request, say_aside)
    from clipcap_ext.evaluate import run

    if args.retrieval:
        return run.evaluate_retrieval(args.model, request, say_aside)
    return run.evaluate_model(args.model, request, given_decoding(args), say_aside)


if __name__ == "__main__":
    sys.exit(main())
