"""The command `folder`: captions beside the pictures of a folder, how far it is, and taking runs back.

The same plan, run, journal and undo as the tab's Folder pane.
"""

from __future__ import annotations

import argparse
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clipcap_ext.batch.captioning import BATCH_SIZE
from clipcap_ext.batch.folder import FolderTask, Plan, folder_from_text, note_of, plan_folder
from clipcap_ext.batch.run import rehearse, run_plan
from clipcap_ext.batch.sidecar import FORMATS
from clipcap_ext.batch.status import status_of
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import POLICIES, Wording
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioning
from clipcap_ext.cli import folder_words as words
from clipcap_ext.cli.models_in_use import add_model_flags, load, service_for
from clipcap_ext.cli.streams import Streams, one_line, uninterrupted
from clipcap_ext.engine.images.pasted import pasted_path
from clipcap_ext.engine.judging.tags import FORMS as TEXT_FORMS
from clipcap_ext.engine.judging.tags import SENTENCE
from clipcap_ext.exit_codes import DONE, FAILED, INTERRUPTED
from clipcap_ext.flags import add_decoding_flags, given_decoding, join_options, positive

if TYPE_CHECKING:
    from clipcap_ext.service.service import CaptionService

EXAMPLES = """examples:
  python -m clipcap_ext folder caption photos/ --dry-run
  python -m clipcap_ext folder caption photos/ --trigger "rex dog" --policy append --recursive
  python -m clipcap_ext folder status photos/
  python -m clipcap_ext folder undo photos/"""
POLICY_HELP = (
    "where a caption exists: skip (leave it; an empty file counts as none), overwrite, append, prepend, "
    "or only-empty (write only where nothing is written yet)"
)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command and its three parts."""
    parser = commands.add_parser(
        "folder", help="write captions beside the pictures of a folder, and take them back", epilog=EXAMPLES,
        description="Captions for a folder of pictures, as caption files beside them. No picture is ever "
        "changed, and every run can be undone.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parts = parser.add_subparsers(title="parts", metavar="PART", required=True)
    _add_caption(parts)
    status = _add_part(parts, "status", "what the folder holds, and its runs", run_status)
    _add_place(status)
    back = _add_part(parts, "undo", "put caption files back as they were before the last run", run_undo)
    back.add_argument("--all", action="store_true", help="every run, back to what was there at first")


def _add_part(
    parts: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str, run: Any
) -> argparse.ArgumentParser:
    parser = parts.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", metavar="DIR", help="the folder; what pasting puts around it does no harm")
    parser.add_argument("--json", action="store_true", help="JSON, one object a line, on the standard output")
    parser.set_defaults(run=run)
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recursive", action="store_true", help="its folders too")
    parser.add_argument(
        "--extension", type=lambda text: f".{text.lstrip('.')}", choices=FORMATS,
        default=FolderTask.extension, help="of the caption files (default: %(default)s)",
    )  # fmt: skip


def _add_caption(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add_part(parts, "caption", "write a caption file beside each picture", run_caption)
    parser.add_argument(
        "--policy", choices=POLICIES, default=POLICIES[0], help=f"{POLICY_HELP} (default: %(default)s)"
    )
    texts = "; {name} and {folder} stand for the picture's own"
    parser.add_argument("--trigger", default="", metavar="TEXT", help=f"comes first, and once{texts}")
    parser.add_argument("--prefix", default="", metavar="TEXT", help=f"before the caption{texts}")
    parser.add_argument("--suffix", default="", metavar="TEXT", help=f"after the caption{texts}")
    parser.add_argument(
        "--form", choices=TEXT_FORMS, default=SENTENCE,
        help="the caption, comma tags (SBG's keywords; else the caption's own nouns and verbs), or the "
        "caption with those keywords behind it that it does not say (default: %(default)s)",
    )  # fmt: skip
    _add_place(parser)
    parser.add_argument(
        "--output", metavar="DIR", help="write into this folder instead, with the same folders below it"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be written, to the letter; write nothing"
    )
    parser.add_argument("--batch-size", type=positive, default=BATCH_SIZE, metavar="B",
                        help=f"pictures captioned at a time; changes no caption ({BATCH_SIZE})")  # fmt: skip
    add_model_flags(parser)
    add_decoding_flags(parser)


def run_caption(args: argparse.Namespace, streams: Streams) -> int:
    """Caption the folder; 0 if all went well, 1 if any picture failed or there is none, 130 if
    interrupted."""
    service = service_for(args)
    lacking = service.lacking(args.model)
    options = join_options(service.default_options(args.model), given_decoding(args), lacking)
    plan = plan_folder(_task(args, note_of(args.model, options)))
    for line in (*plan.damages, *plan.collisions):
        streams.say(one_line(line))
    if plan.interrupted is not None:
        streams.say(words.interrupted(plan.interrupted))
    if not plan.files:
        streams.say(f"error: {one_line(str(plan.task.folder))}: this folder holds no pictures.")
        return FAILED
    states: Counter[str] = Counter()
    try:
        with _captioner(service, args, options, len(plan.to_write), streams) as ask:
            _carry_out(plan, ask, args, streams, states)
    except KeyboardInterrupt:
        streams.say(words.stopped(states, len(plan.files), args.dry_run))
        return INTERRUPTED
    streams.say(words.summary(states, plan.task, args.dry_run))
    return FAILED if states["failed"] else DONE


def run_status(args: argparse.Namespace, streams: Streams) -> int:
    """Say how far the folder is; 0."""
    task = FolderTask(folder_from_text(args.folder), recursive=args.recursive, extension=args.extension)
    words.say_status(status_of(task), task, streams, args.json)
    return DONE


def run_undo(args: argparse.Namespace, streams: Streams) -> int:
    """Take the last run back, or all of them; 1 if there is none or a caption file could not be put back."""
    folder = folder_from_text(args.folder)
    undone = undo(folder, None if args.all else 1)
    words.say_undone(undone, folder, streams, args.json)
    return DONE if undone.runs and not undone.names("failed") else FAILED


def _task(args: argparse.Namespace, note: str) -> FolderTask:
    wording = Wording(args.policy, args.prefix, args.suffix, args.trigger, args.form)
    output = None if args.output is None else pasted_path(args.output)
    return FolderTask(folder_from_text(args.folder), wording, args.recursive, args.extension, note, output)


@contextmanager
def _captioner(
    service: CaptionService, args: argparse.Namespace, options: DecodingOptions, count: int, streams: Streams
) -> Iterator[Captioning]:
    """The model ready for `count` pictures; none is loaded for nothing. A seed that was left to chance is
    drawn and told, so that a dry run can be repeated to the letter."""
    if not count:
        yield Captioning(lambda images: (), lambda looked: ())
        return
    if options.strategy == "sampling" and options.seed is None:
        options = replace(options, seed=secrets.randbelow(2**31))
        streams.say(f"Sampling with --seed {options.seed}")
    with service.work("folder", count, args.model) as work:
        load(work, streams, options)
        yield work.captioning(options)


def _carry_out(
    plan: Plan, ask: Captioning, args: argparse.Namespace, streams: Streams, states: Counter[str]
) -> None:
    go = rehearse if args.dry_run else run_plan
    with (
        streams.progress(len(plan.files), "picture") as bar,
        closing(go(plan, ask, batch_size=args.batch_size)) as results,
    ):
        for result in results:
            with uninterrupted():
                words.say_result(result, streams, args.json, args.dry_run)
                states[result.state] += 1
            bar.update()
