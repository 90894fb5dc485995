"""The command `download`: a published model from the Hub, made ready to caption; the fetching itself is in
hub/."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from clipcap_ext.cli.streams import Streams
from clipcap_ext.exit_codes import INTERRUPTED
from clipcap_ext.hub.client import HubClient, Progress
from clipcap_ext.hub.download import Download
from clipcap_ext.service.standalone import StandaloneHost

EXAMPLES = """examples:
  python -m clipcap_ext download clipcap-flickr8k-gradient
  python -m clipcap_ext download sbg-flickr8k --models-dir stable-diffusion-webui/models/ClipCap
  python -m clipcap_ext download ViT-L-14/openai               # a CLIP of open_clip's, alone
`models` lists the names. HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and proxies are honoured."""
EVERY = 1.0  # seconds between two lines of --json


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "download", help="fetch a published model", epilog=EXAMPLES,
        description="Fetch a published model, with the vocabulary and the CLIP it needs, from the Hub. "
        "Stopped, by Ctrl+C or a broken line, it goes on where it was when it is run again.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    names = "a model that `models` lists, a CLIP as MODEL/TAG, or hf:OWNER/NAME: a BLIP, GIT or ViT-GPT2"
    parser.add_argument("name", metavar="NAME", help=names)
    parser.add_argument(
        "--revision", default="", help="a branch, tag or commit (default: the one first found)"
    )
    place = "models folder to put it into (default: $CLIPCAP_MODELS, else a cache folder)"
    parser.add_argument("--models-dir", "--folder", dest="models_dir", type=Path, metavar="DIR", help=place)
    parser.add_argument("--json", action="store_true", help="progress and result as one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """Fetch it; 0 done, 130 stopped by Ctrl+C."""
    folder = StandaloneHost(models_dir=args.models_dir).models_dir
    shown = _Json(streams) if args.json else _Line(streams)
    try:
        with HubClient(on_progress=shown.progress) as client:
            made = Download(folder, client, shown.say)(args.name, args.revision)
    except KeyboardInterrupt:
        shown.clear()
        streams.say("Stopped. What has arrived is kept: run the same command again to go on.")
        return INTERRUPTED
    except BaseException:
        shown.clear()
        raise
    shown.done(args.name, made)
    return 0


def progress_text(progress: Progress) -> str:
    """`model.pt  312 of 651 MB, 48 %, 5.2 MB/s, 1 min 05 s left`."""
    share = 100 * progress.done / max(progress.total, 1)
    text = f"{progress.file}  {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB, {share:.0f} %"
    if progress.rate > 0:
        text += f", {progress.rate / 1e6:.1f} MB/s"
    if progress.seconds_left is not None and progress.done < progress.total:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        text += f", {minutes} min {seconds:02d} s left" if minutes else f", {seconds} s left"
    return text


class _Line:
    """A line that is written over on a terminal; elsewhere only the steps are told."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._moving = streams.err.isatty()
        self._width = 0

    def say(self, text: str) -> None:
        self.clear()
        self._streams.say(text)

    def progress(self, progress: Progress) -> None:
        if self._moving:
            text = progress_text(progress)
            self._streams.err.write("\r" + text.ljust(self._width))
            self._streams.err.flush()
            self._width = len(text)

    def clear(self) -> None:
        if self._width:
            self._streams.err.write("\r" + " " * self._width + "\r")
            self._width = 0

    def done(self, name: str, folder: Path) -> None:
        self.clear()
        self._streams.say(f"{name} is ready in {folder}")


class _Json:
    """One JSON object a line, progress at most once in EVERY seconds."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._last = 0.0

    def say(self, text: str) -> None:
        self._streams.say(text)

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY or progress.done == progress.total:
            self._last = now
            self._write(vars(progress))

    def clear(self) -> None:
        """Lines stay."""

    def done(self, name: str, folder: Path) -> None:
        self._write({"name": name, "folder": str(folder)})

    def _write(self, line: dict[str, Any]) -> None:
        self._streams.result(json.dumps(line, ensure_ascii=False))
