"""The command `caption`: pictures in, one line each out, whatever becomes of the others; it writes no
files."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.batch.captioning import BATCH_SIZE, Outcome, caption_files
from clipcap_ext.caption import DIGITS, Caption
from clipcap_ext.cli import explaining
from clipcap_ext.cli.models_in_use import add_model_flags, load, service_for
from clipcap_ext.cli.streams import Streams, json_line, one_line, uninterrupted
from clipcap_ext.engine.images.finding import find_images
from clipcap_ext.errors import UsageError
from clipcap_ext.exit_codes import INTERRUPTED
from clipcap_ext.flags import add_decoding_flags, given_decoding, join_options, positive
from clipcap_ext.service.doubt_words import doubt_text

EXAMPLES = """examples:
  python -m clipcap_ext caption holiday/
  python -m clipcap_ext caption a.jpg b.png --num-candidates 5
  python -m clipcap_ext caption holiday/ --temperature 0.8 --seed 7 --json > captions.jsonl
  python -m clipcap_ext caption a.jpg --model tiny-sbg-flickr8k --explain --without snow --add beach"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "caption", help="caption pictures: files, and folders with all they hold", epilog=EXAMPLES,
        description="Write one line a picture to the standard output: its path, a tab and its caption.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture, or a folder (its folders too)")
    add_model_flags(parser)
    parser.add_argument("--batch-size", type=positive, default=BATCH_SIZE, metavar="B",
                        help=f"pictures captioned at a time; changes no caption ({BATCH_SIZE})")  # fmt: skip
    parser.add_argument(
        "--after", metavar="PATH", help="leave out everything up to this picture: goes on with a stopped run"
    )
    parser.add_argument(
        "--explain", action="store_true", help="also show each candidate's score, and the keywords"
    )
    records = "one JSON object a line: path, caption, model, candidates, keywords; or path, error"
    parser.add_argument("--json", action="store_true", help=records)
    explaining.add_keyword_flags(parser)
    add_decoding_flags(parser)
    parser.set_defaults(run=run)


@dataclass
class _Tally:
    """How far the command is."""

    total: int
    done: int = 0
    failed: int = 0
    doubted: int = 0
    last: Path | None = None

    def count(self, outcome: Outcome) -> None:
        self.done += 1
        self.failed += outcome.caption is None
        self.doubted += outcome.caption is not None and outcome.caption.doubt is not None
        self.last = outcome.path


def run(args: argparse.Namespace, streams: Streams) -> int:
    """Caption everything; 0 if all went well, 1 if any picture failed, 130 if interrupted."""
    service = service_for(args)
    entry = service.find(args.model)
    explained = explaining.wanted(args, entry)
    options = join_options(service.default_options(args.model), given_decoding(args), entry.lacking)
    paths, empty = _pictures(args.paths, args.after)
    tally = _Tally(len(paths) + len(empty))
    for outcome in empty:
        _report(outcome, args, streams)
        tally.count(outcome)
    if not paths:
        return 1
    try:
        with service.work("caption", len(paths), args.model) as work:
            load(work, streams, options)
            if explained:
                explaining.explain_pictures(work, paths, options, args, streams, tally.count)
                return _end(tally, streams)
            with streams.progress(len(paths), "picture") as bar:
                captions = work.captioning(options)
                for outcome in caption_files(paths, captions, batch_size=args.batch_size):
                    with uninterrupted():
                        _report(outcome, args, streams)
                        tally.count(outcome)
                    bar.update()
    except KeyboardInterrupt:
        streams.say(_how_to_go_on(tally, args))
        return INTERRUPTED
    return _end(tally, streams)


def _end(tally: _Tally, streams: Streams) -> int:
    if tally.doubted:
        which = "this one" if tally.total == 1 else f"{tally.doubted} of {tally.total}"
        streams.say(f"The model is not sure of {which}; --json says of which, and why.")
    if tally.failed:
        streams.say(f"{tally.failed} of {tally.total} could not be captioned.")
    return 1 if tally.failed else 0


def _pictures(given: Sequence[str], after: str | None) -> tuple[list[Path], list[Outcome]]:
    """The pictures in order, and an outcome for each folder without any."""
    empty = [Path(path) for path in given if not find_images([path])]
    paths = find_images(given)
    if after is not None:
        if Path(after) not in paths:
            raise UsageError(f"--after {after}: that is none of the {len(paths)} pictures named.")
        paths = paths[paths.index(Path(after)) + 1 :]
    return paths, [Outcome(path, problem=f"{path}: this folder holds no pictures.") for path in empty]


def _report(outcome: Outcome, args: argparse.Namespace, streams: Streams) -> None:
    """The picture's line, or lines if several candidates or an explanation were asked for."""
    if args.json:
        streams.result(json_line(_record(outcome)))
    elif outcome.caption is None:
        streams.say(f"error: {outcome.problem}")
    else:
        streams.result("\n".join(_lines(outcome.path, outcome.caption, args.explain)))


def _record(outcome: Outcome) -> dict[str, Any]:
    caption = outcome.caption
    if caption is None:
        return {"path": str(outcome.path), "error": outcome.problem}
    candidates = [
        {"text": item.text, "avg_logprob": round(item.avg_logprob, DIGITS)}
        | ({} if item.similarity is None else {"similarity": round(item.similarity, DIGITS)})
        | ({} if item.score is None else {"score": round(item.score, DIGITS)})
        for item in caption.candidates
    ]
    record = {
        "path": str(outcome.path),
        "caption": caption.text,
        "model": caption.model,
        "candidates": candidates,
    }
    if caption.doubt is not None:
        record["not_sure"] = doubt_text(caption.doubt)
    if caption.keywords:
        record["keywords"] = [
            {"text": item.text, "facet": item.facet, "similarity": round(item.similarity, DIGITS)}
            for item in caption.keywords
        ]
    return record


def _lines(path: Path, caption: Caption, explain: bool) -> list[str]:
    name = one_line(str(path))
    if not explain:
        return [f"{name}\t{candidate.text}" for candidate in caption.candidates]
    lines = []
    for item in caption.candidates:
        similarity = "" if item.similarity is None else f"\tsimilarity {item.similarity:.3f}"
        score = "" if item.score is None else f"\tscore {item.score:.3f}"
        lines.append(f"{name}\t{item.text}\tlog-probability {item.avg_logprob:.3f}{similarity}{score}")
    return lines + [
        f"{name}\tkeyword {item.text}\t{item.facet}\t{item.similarity:.3f}" for item in caption.keywords
    ]


def _how_to_go_on(tally: _Tally, args: argparse.Namespace) -> str:
    stopped = f"Stopped after {tally.done} of {tally.total} pictures."
    if tally.last is None:
        return f"{stopped} Nothing was written; run the same command to start again."
    kept, skip = [], False
    for word in args.command_line:  # without the --after of the run before
        if not skip and not word.startswith("--after="):
            skip = word == "--after"
            kept += [] if skip else [word]
        else:
            skip = False
    command = shlex.join(["python", "-m", "clipcap_ext", *kept, f"--after={tally.last}"])
    return f"{stopped} To go on with the rest:\n  {command}"
