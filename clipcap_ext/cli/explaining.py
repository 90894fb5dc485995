"""`caption --explain` for models that guess from keywords: the tree, the candidates, the effects, keywords by
hand."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.batch.captioning import Outcome
from clipcap_ext.caption import DIGITS, DecodingOptions
from clipcap_ext.cli.streams import Streams, json_line, uninterrupted
from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.engine.sbg.edit import KeywordEdit, split_keywords
from clipcap_ext.errors import ImageError, UsageError
from clipcap_ext.files import to_digits, write_whole

if TYPE_CHECKING:
    from clipcap_ext.engine.sbg.explain import Explanation
    from clipcap_ext.service.work import Work

KIND = "sbg"


def add_keyword_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that change what is guessed from, and where a picture of the tree goes."""
    group = parser.add_argument_group("keywords (models that guess from keywords; each is explained)")
    group.add_argument(
        "--without", action="append", default=[], metavar="KEYWORD", help="leave a keyword out; repeatable"
    )
    group.add_argument(
        "--add", action="append", default=[], metavar="KEYWORD", help="add a keyword at the end; repeatable"
    )
    exactly = 'guess from exactly these, in this order: "dog, snow"; "" is none'
    group.add_argument("--keywords", metavar="LIST", help=exactly)
    group.add_argument("--svg", type=Path, metavar="DIR", help="also draw each keyword tree into this folder")


def wanted(args: argparse.Namespace, entry: ModelEntry) -> bool:
    """Whether this call is to be explained from keywords; UsageError if the model has none and flags for them
    came."""
    guesses = entry.config is not None and entry.config.kind == KIND
    asked = bool(edit_of(args)) or args.svg is not None
    if asked and not guesses:
        raise UsageError(
            "--without, --add, --keywords and --svg need a model that guesses from keywords, not "
            f"{args.model}."
        )
    return guesses and (asked or args.explain)


def edit_of(args: argparse.Namespace) -> KeywordEdit:
    """The change of keywords that was asked for."""
    if args.keywords is not None and (args.without or args.add):
        raise UsageError("--keywords says all of them: leave --without and --add out.")
    exactly = None if args.keywords is None else split_keywords(args.keywords)
    return KeywordEdit(tuple(args.without), tuple(args.add), exactly)


def explain_pictures(
    work: Work, paths: list[Path], options: DecodingOptions, args: argparse.Namespace, streams: Streams,
    count: Callable[[Outcome], None],
) -> None:  # fmt: skip
    """Explain each picture, and have it counted as soon as it is written."""
    from clipcap_ext.engine.images.reading import open_image

    with streams.progress(len(paths), "picture") as bar:
        for path in paths:
            try:
                explanation = work.explain(open_image(path), options, edit_of(args))
                outcome, text = (
                    Outcome(path, explanation.caption),
                    _json(path, explanation) if args.json else _text(path, explanation),
                )
                if args.svg is not None:
                    _draw(args.svg / f"{path.stem}.svg", path, explanation)
            except ImageError as error:
                outcome = Outcome(path, problem=str(error))
                text = json_line({"path": str(path), "error": str(error)}) if args.json else ""
            with uninterrupted():
                streams.result(text) if text else streams.say(f"error: {outcome.problem}")
                count(outcome)
            bar.update()


def _json(path: Path, explanation: Explanation) -> str:
    record = explanation.to_dict()
    caption = record.pop("caption")
    record = {"path": str(path), "caption": caption.pop("text"), **caption, **record}
    return json_line(to_digits(record, DIGITS))


def _text(path: Path, explanation: Explanation) -> str:
    from clipcap_ext.engine.sbg.drawing import draw_text, explanation_lines

    return f"{path}\n{draw_text(explanation_lines(explanation))}"


def _draw(target: Path, path: Path, explanation: Explanation) -> None:
    from clipcap_ext.engine.sbg.drawing import draw_svg, explanation_lines

    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, draw_svg(explanation_lines(explanation), f"{path.name}: {explanation.caption.text}"))
