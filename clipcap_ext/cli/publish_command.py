"""The command `publish`: a checkpoint of one's own to the Hub, dry unless told otherwise; the pushing itself
is in hub/."""

from __future__ import annotations

import argparse
import json

from clipcap_ext.cli.streams import Streams
from clipcap_ext.exit_codes import DONE, FAILED
from clipcap_ext.hub.publishing import Publication, plan, push

EXAMPLES = """examples:
  python -m clipcap_ext publish tiny-flickr8k --repo you/captioner             # says what would be pushed
  python -m clipcap_ext publish tiny-flickr8k --repo you/captioner --push
HF_ENDPOINT, HF_TOKEN and proxies are honoured."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "publish", help="push a checkpoint to the Hub", epilog=EXAMPLES,
        description="Say what of a checkpoint would be pushed to a repository on the Hub, and what it lacks; "
        "with --push, push it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "model", metavar="FOLDER", help="a checkpoint folder, such as runs/mine/best, or a name"
    )
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the repository on the Hub")
    parser.add_argument("--push", action="store_true", help="push it (default: only say what would be)")
    parser.add_argument("--private", action="store_true", help="a repository that is made is private")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """A line for each file, field and lack; with --push the address of the commit. 1 where it is not to be
    pushed as it is."""
    publication = plan(args.model, args.repo)
    tell = streams.say if args.push else streams.result
    for line in told(publication):
        tell(line)
    if args.push:
        streams.result(push(publication, private=args.private))
        return DONE
    if publication.lacking:
        return FAILED
    streams.say("Nothing was pushed: --push does it.")
    return DONE


def told(publication: Publication) -> list[str]:
    """What a person is to know of it before it is pushed."""
    megabytes = f"{publication.size / 1e6:.1f} MB"
    width = max(map(len, publication.files))
    return [
        f"{publication.name} to {publication.repo}: {len(publication.files)} files, {megabytes}",
        *(f"  {name:<{width}}  {path.stat().st_size:>12,} bytes" for name, path in publication.files.items()),
        "The card's front matter:" if publication.fields else "The card has no front matter.",
        *(f"  {name}: {_short(value)}" for name, value in publication.fields.items()),
        *(f"lacking: {what}" for what in publication.lacking),
        *(f"not said on the card: {what}" for what in publication.unsaid),
    ]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
