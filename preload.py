"""The command-line flags that the WebUI collects for us before it starts; imports nothing heavy, decides
nothing."""

from __future__ import annotations

from argparse import ArgumentParser


def preload(parser: ArgumentParser) -> None:
    """Called by the host with its own parser."""
    parser.add_argument(
        "--clipcap-models-dir",
        type=str,
        default=None,
        help="folder of the Caption tab's models (default: ClipCap in the models folder)",
    )
    parser.add_argument(
        "--clipcap-device",
        type=str,
        default=None,
        help="device for the Caption tab: cpu, cuda, cuda:1, mps (default: where the WebUI interrogates)",
    )
