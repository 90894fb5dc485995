"""The door of the terminal: python -m clipcap_ext COMMAND; the commands themselves are in cli/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from clipcap_ext import __version__
from clipcap_ext.cli import caption_command as captioning
from clipcap_ext.cli import convert_command as converting
from clipcap_ext.cli import demo_command as demo
from clipcap_ext.cli import download_command as downloading
from clipcap_ext.cli import folder_command as folders
from clipcap_ext.cli import judge_command as judging
from clipcap_ext.cli import models_command as listing
from clipcap_ext.cli import publish_command as publishing
from clipcap_ext.cli.streams import Streams
from clipcap_ext.exit_codes import exit_code
from clipcap_ext.webui import command as ui

COMMANDS = (captioning, judging, folders, listing, downloading, converting, publishing, demo, ui)
EXAMPLES = """examples:
  python -m clipcap_ext demo
  python -m clipcap_ext caption holiday/
  python -m clipcap_ext judge a.jpg "a dog in the snow"
  python -m clipcap_ext folder caption photos/ --trigger "rex dog"
  python -m clipcap_ext models
  python -m clipcap_ext download clipcap-flickr8k-gradient
  python -m clipcap_ext convert coco_weights.pt
  python -m clipcap_ext ui --open
Each command has its own --help.
Training and scoring: python -m clipcap_ext.train, python -m clipcap_ext.evaluate."""


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m clipcap_ext", description="A photo in, a caption out.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return made


def main(arguments: Sequence[str] | None = None, streams: Streams | None = None) -> int:
    """Run a command; 0 done, 1 something failed, 2 wrong usage, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    told = streams or Streams.standard()

    def work() -> int:
        args = parser().parse_args(given)
        args.command_line = given
        return args.run(args, told)

    return exit_code(work, told.say)


if __name__ == "__main__":
    sys.exit(main())
