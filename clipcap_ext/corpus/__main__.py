"""The door of large data sets: python -m clipcap_ext.corpus features --data ... --encoder ... --out DIR."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.exit_codes import DONE, exit_code, say_aside

EPILOG = """The trainer takes DIR as --data. Processes share the work; it goes on where it was stopped:
  torchrun --nproc-per-node 4 -m clipcap_ext.corpus features ...
  WORLD_SIZE=4 RANK=0 python -m clipcap_ext.corpus features ...     (and RANK=1, 2, 3 elsewhere)"""


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext.corpus", description="Prepare large data sets."
    )
    doors = made.add_subparsers(dest="door", required=True)
    features = doors.add_parser(
        "features", help="encode webdataset shards or Conceptual Captions into a folder of feature shards",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = features.add_argument
    tars = "tars ('shard-{0000..0099}.tar'), folders of tars, a .tsv, or CLIP_prefix_caption's .pkl"
    add("--data", nargs="+", required=True, help=tars)
    add("--encoder", required=True, help="open_clip's MODEL/PRETRAINED, a bundled encoder, or its folder")
    add("--out", type=Path, required=True, help="folder for the features; a started one is gone on with")
    add("--images", type=Path, help="folder of the pictures that a .tsv names")
    add(
        "--image-name", default="", help="how they are called, as '{row:08d}' or '{md5}' (default: found out)"
    )
    as_long = "features as long as they are (normalize=false in training)"
    add("--no-normalize", action="store_true", help=as_long)
    looks = "looks at each picture, the plain one first (default: %(default)s)"
    add("--views", type=int, default=1, help=looks)
    add("--batch-size", type=int, default=32, help="pictures encoded together (default: %(default)s)")
    add("--workers", type=int, default=2, help="threads that decode pictures (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    return made


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run the command; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    args = parser().parse_args(arguments)
    return exit_code(lambda: _features(args, environment))


def _features(args: argparse.Namespace, environment: Mapping[str, str]) -> int:
    for name in ("views", "batch_size", "workers"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(args, name)}.")
    from clipcap_ext.corpus.making import Process, make_features
    from clipcap_ext.corpus.parts.finding import expand_braces, find_parts
    from clipcap_ext.engine.encoder_names import load_named_encoder, process_device

    process = Process.of_environment(environment)
    files = [Path(path).expanduser() for place in args.data for path in expand_braces(place)]
    if any(path.suffix == ".pkl" for path in files):
        return _kept_pickles(args, files)
    parts = find_parts(args.data, args.images, args.image_name)
    device = process_device(args.device, int(environment.get("LOCAL_RANK", "0")))
    encoder, _ = load_named_encoder(args.encoder, device, normalize=not args.no_normalize)
    make_features(
        encoder, parts, args.out, views=args.views, batch_size=args.batch_size, workers=args.workers,
        process=process, say=say_aside,
    )  # fmt: skip
    print(args.out)
    return DONE


def _kept_pickles(args: argparse.Namespace, files: Sequence[Path]) -> int:
    from clipcap_ext.corpus.feature_pickles import keep_named_pickles

    if args.images or args.views > 1:
        raise UsageError("--images and --views are for pictures, and a .pkl holds features.")
    keep_named_pickles(files, args.encoder, args.out, not args.no_normalize, say_aside)
    print(args.out)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
