"""The words of the command line and what they ask for; the decoding options come from DecodingOptions' own
fields."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from clipcap_ext.corpus.splits import SCHEMES
from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.dataset import PARTS
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.flags import add_decoding_flags, given_decoding
from clipcap_ext.metrics import DEFAULT_METRICS, METRICS, PROTOCOLS

SCORING = (
    "hypotheses", "retrieval", "out", "record", "split", "protocol", "metrics", "clip_score", "instances",
    "human", "layout", "limit", "resamples",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line; options left out are None, so that a default stands in one place only."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext.evaluate",
        description="Score a model, captions from a file, or (--retrieval) an encoder.",
    )
    made.add_argument("model", nargs="?", help="a model's name or folder; with --retrieval an encoder's")
    made.add_argument(
        "--hypotheses",
        type=Path,
        metavar="FILE",
        help="score the captions of this file instead: COCO results, JSON lines, captions by image, a table",
    )
    made.add_argument(
        "--positions", action="store_true", default=None,
        help="numbers in FILE count from 0 in the data set's list, and are not its own ids",
    )  # fmt: skip
    made.add_argument("--retrieval", action="store_true", help="recall at 1, 5 and 10 of the encoder")
    made.add_argument(
        "--submission", type=Path, metavar="FILE",
        help="score nothing: caption the images that the JSON file --data lists, and write what COCO's and "
        "nocaps' test servers take",
    )  # fmt: skip
    made.add_argument("--data", type=Path, required=True, help="folder or annotation file of the data set")
    made.add_argument("--out", type=Path, help="results.json to write")
    made.add_argument(
        "--record", action="store_true", help="also write the scores into the checkpoint's config.json"
    )
    asked = made.add_argument_group("images and protocol")
    parts = f"{', '.join(PARTS)}; {', '.join(SCHEMES)}; or both (default: {SCHEMES[0]}-{PARTS[0]})"
    asked.add_argument("--split", metavar="SPLIT", help=f"part of the data set and who split it so: {parts}")
    asked.add_argument(
        "--protocol", choices=tuple(PROTOCOLS),
        help="how texts are prepared; it says nothing of the split (default: standard)",
    )  # fmt: skip
    others = ", ".join(name for name in METRICS if name not in DEFAULT_METRICS)
    known = f"separated by commas (default: {','.join(DEFAULT_METRICS)}; also {others})"
    asked.add_argument("--metrics", type=_names, help=known)
    asked.add_argument("--clip-score", metavar="ENCODER",
                       help="CLIPScore and RefCLIPScore too, by an encoder that ranked none")  # fmt: skip
    asked.add_argument("--instances", type=Path, metavar="FILE",
                       help="CHAIR, by COCO's instances_*.json or a folder of them")  # fmt: skip
    asked.add_argument(
        "--human", action="store_true", default=None, help="also score the references themselves"
    )
    asked.add_argument("--layout", help="layout of the data set (default: recognised)")
    asked.add_argument("--images", type=Path, help="folder of the images, if not with the annotations")
    asked.add_argument("--limit", type=int, help="only the first images")
    asked.add_argument("--allow-training-images", action="store_true", default=None,
                       help="score images the model was trained on")  # fmt: skip
    work = made.add_argument_group("work")
    work.add_argument("--batch-size", type=int, help="images captioned at a time (default: 16)")
    work.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto, the best there is)")
    work.add_argument("--resamples", type=int, help="bootstrap resamples (default: 1000)")
    work.add_argument(
        "--resampling-seed", type=int, dest="resampling_seed", help="of bootstrap and controls (default: 0)"
    )
    add_decoding_flags(made)
    return made


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def request_of(args: argparse.Namespace) -> EvaluationRequest:
    """What was asked for; UsageError for options that would do nothing together."""
    if (args.model is None) == (args.hypotheses is None):
        raise UsageError("Give a model or --hypotheses FILE, one of the two.")
    if args.positions and args.hypotheses is None:
        raise UsageError("--positions is said of the numbers in --hypotheses FILE, and does nothing without.")
    if args.submission is not None and (args.model is None or any(getattr(args, name) for name in SCORING)):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in SCORING)
        raise UsageError(f"--submission takes a model and scores nothing: {flags} do nothing.")
    if args.hypotheses is not None and (args.retrieval or args.record or given_decoding(args)):
        raise UsageError(
            "--hypotheses scores finished captions: --retrieval, --record and decoding options do nothing."
        )
    if args.retrieval and (
        args.record or args.metrics or args.clip_score or args.instances or args.human
        or given_decoding(args)
    ):  # fmt: skip
        raise UsageError(
            "--retrieval makes no captions: --record, --metrics, --instances, --clip-score, --human and "
            "decoding options do nothing."
        )
    names = {spec.name for spec in fields(EvaluationRequest)} - {"seed"}
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.resampling_seed is not None:
        given["seed"] = args.resampling_seed
    return EvaluationRequest(**given)
