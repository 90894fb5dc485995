"""The model a command asks for: its name, its device, its service; what is shared by the commands that
caption."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.cli.streams import Streams
from clipcap_ext.errors import UsageError
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.work import Work

DEFAULT_MODEL = "tiny-flickr8k"


def add_model_flags(parser: argparse.ArgumentParser, role: str = "") -> None:
    """--model, --models-dir and --device; `role` says what the model is for, where it is not to caption."""
    chosen = f"{role}a name that `models` lists, or a checkpoint folder (default: {DEFAULT_MODEL})"
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|FOLDER", help=chosen)
    add_models_dir(parser)
    parser.add_argument("--device", default="", help="cpu, cuda, cuda:1, mps (default: the best there is)")


def add_models_dir(parser: argparse.ArgumentParser) -> None:
    """--models-dir alone."""
    place = "folder of further models (default: $CLIPCAP_MODELS, else a cache folder)"
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help=place)


def service_for(args: argparse.Namespace) -> CaptionService:
    """The service on the device asked for; UsageError at once if this machine has no such device."""
    host = StandaloneHost(models_dir=args.models_dir, device=args.device)
    if args.device:
        import torch

        device = host.device()
        try:
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"The device {args.device} cannot be used here: {reason} Try --device cpu."
            ) from error
    return CaptionService(host)


def load(work: Work, streams: Streams, options: DecodingOptions | None = None) -> None:
    """Load the model ahead of the pictures and say what it is, where it runs and how long that took."""
    start = time.perf_counter()
    work.caption([])
    streams.say(f"{work.keeper.status(options)} · loaded in {time.perf_counter() - start:.1f} s")
