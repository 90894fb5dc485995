"""The command `demo`: the example photos that come with the package, captioned and timed; it never asks the
net."""

from __future__ import annotations

import argparse
import time

from clipcap_ext.cli.models_in_use import add_model_flags, load, service_for
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.checkpoint.places import PHOTOS
from clipcap_ext.engine.images.finding import find_images
from clipcap_ext.errors import UsageError
from clipcap_ext.service.model_facts import is_bundled


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "demo", help="caption the example photos and show the time each took",
        epilog="example:\n  python -m clipcap_ext demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Caption the photos that come with the package, one by one "
        f"({PHOTOS}; credits beside them).",
    )  # fmt: skip
    add_model_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """One line a photo: its name, the milliseconds from file to caption, the caption."""
    from clipcap_ext.engine.images.reading import open_image

    photos = find_images([PHOTOS])
    if not photos:
        raise UsageError(
            f"There are no example photos in {PHOTOS}: the package is not whole. Install it again."
        )
    service = service_for(args)
    width = max(len(photo.name) for photo in photos)
    with service.work("demo", len(photos), args.model) as work:
        load(work, streams)
        started = time.perf_counter()
        for photo in photos:
            begun = time.perf_counter()
            (caption,) = work.caption([open_image(photo)]).captions
            milliseconds = (time.perf_counter() - begun) * 1000
            not_sure = "  (not sure)" if caption.doubt else ""
            streams.result(f"{photo.name:<{width}}  {milliseconds:5.0f} ms  {caption.text}{not_sure}")
        seconds = time.perf_counter() - started
    if is_bundled(service.find(args.model)):
        streams.say(
            f"{args.model} is small, to try things with: `python -m clipcap_ext models` lists published ones "
            "that know far more."
        )
    streams.say(f"{len(photos)} photos in {seconds:.2f} s; who took them: {PHOTOS / 'README.md'}")
    return 0
