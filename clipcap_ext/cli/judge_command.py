"""The command `judge`: how near captions are to a picture, yours or several models', and which of their words
it does not support; it writes no files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.caption import DIGITS
from clipcap_ext.cli.models_in_use import add_model_flags, service_for
from clipcap_ext.cli.streams import Streams, json_line, one_line
from clipcap_ext.errors import UsageError
from clipcap_ext.exit_codes import DONE
from clipcap_ext.files import to_digits
from clipcap_ext.service.side_by_side import Contender, side_by_side

if TYPE_CHECKING:
    from clipcap_ext.engine.judging.judgement import Judgement

EXAMPLES = """examples:
  python -m clipcap_ext judge a.jpg "a dog in the snow" "a cat in the snow"
  python -m clipcap_ext judge a.jpg --by tiny-flickr8k --by tiny-sbg-flickr8k --brief
  python -m clipcap_ext judge a.jpg "a man in a red coat" --json"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "judge", help="say how near captions are to a picture, word by word", epilog=EXAMPLES,
        description="Judge captions, whoever wrote them, by CLIP: the nearest first, then "
        "a line a word: what the caption gains by it, and whether the picture speaks against it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the picture")
    parser.add_argument("captions", nargs="*", metavar="CAPTION", help="a caption, in quotes")
    beside = "caption it with this model, too, and judge its candidates beside the others; repeatable"
    parser.add_argument("--by", action="append", default=[], metavar="NAME|FOLDER", help=beside)
    parser.add_argument("--brief", action="store_true", help="the captions alone, without their words")
    add_model_flags(parser, "whose CLIP judges: ")
    parser.add_argument("--json", action="store_true", help="one JSON object a caption, the nearest first")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """Judge them; 0, errors as the exit codes say."""
    from clipcap_ext.engine.images.reading import open_image

    if not args.captions and not args.by:
        raise UsageError("There is nothing to judge: give a caption, in quotes, or --by a model.")
    service = service_for(args)
    for model in (args.model, *args.by):
        service.find(model)
    seen = side_by_side(
        service, open_image(args.picture), args.by, args.model, texts=args.captions, words=not args.brief
    )
    streams.say(f"judged by the CLIP of {seen.judge}")
    for one in seen.contenders:
        own = {"models": list(one.models)} if args.by else {}
        record = {"path": str(args.picture), **judgement_record(one.judgement), **own, "judge": seen.judge}
        streams.result(json_line(record) if args.json else "\n".join(_lines(one)))
    return DONE


def judgement_record(judgement: Judgement) -> dict[str, Any]:
    """A judgement for JSON, without the digits in which processors differ."""
    record: dict[str, Any] = to_digits(judgement.to_dict(), DIGITS)
    return record


def _lines(contender: Contender) -> list[str]:
    who = f"\t{one_line(', '.join(contender.models))}" if contender.models else ""
    lines = [f"{contender.judgement.similarity:.3f}\t{one_line(contender.text)}{who}"]
    for word in contender.judgement.words:
        mark = f"\tnot supported; without it: {one_line(word.without)}" if word.unsupported else ""
        lines.append(f"\t{word.gain:+.3f}\t{one_line(word.text)}{mark}")
    return lines
