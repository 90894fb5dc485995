"""The command `ui`: the WebUI's Caption tab as a page of its own; the page itself is in webui/tab/."""

from __future__ import annotations

import argparse
import importlib.util

from clipcap_ext.cli.models_in_use import add_models_dir
from clipcap_ext.cli.streams import Streams
from clipcap_ext.errors import CaptionError
from clipcap_ext.service import listening
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.telemetry import without_telemetry
from clipcap_ext.webui.words import languages

PORT = 7861  # one above the WebUI's own
EXAMPLES = """example:
  python -m clipcap_ext ui --open"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "ui", help="open the Caption tab without a WebUI", epilog=EXAMPLES,
        description="Serve the Caption tab to a browser on this machine, until Ctrl+C. Needs gradio.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_models_dir(parser)
    parser.add_argument("--device", default="", help="cpu, cuda, cuda:1 or mps; the best there is by default")
    parser.add_argument(
        "--address", default="127.0.0.1", help="0.0.0.0 serves other machines, too, folders and all"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} by default")
    parser.add_argument("--language", default="", choices=["", *languages()], help="English by default")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """Serve until interrupted; CaptionError without gradio, or where the port is taken."""
    if importlib.util.find_spec("gradio") is None:
        raise CaptionError(
            "The page needs gradio, which is not installed: pip install gradio, or use `make ui`."
        )
    listening.check_place(args.address, args.port)
    without_telemetry()
    from clipcap_ext.webui.tab.standalone import LOCAL, serve

    settings = {"localization": args.language}
    host = StandaloneHost(args.models_dir, args.device, settings, shows_folders=args.address in LOCAL)
    host.device()  # an unknown device is told now, not at the first caption
    streams.say(f"The Caption tab is at http://{args.address}:{args.port}/ (Ctrl+C ends it).")
    serve(host, args.address, args.port, open_browser=args.open)
    return 0
