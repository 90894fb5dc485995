"""What the command `folder` says: one line, or one JSON object, for each picture, run or caption file; it
does nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from clipcap_ext.batch.folder import FolderTask
from clipcap_ext.batch.history import PastRun
from clipcap_ext.batch.run import FileResult
from clipcap_ext.batch.status import FolderStatus
from clipcap_ext.batch.undo import Fate, Undone
from clipcap_ext.cli.streams import Streams, json_line, one_line

FATES = {
    "restored": "as it was", "kept": "changed since, so left alone",
    "refused": "not a caption file of this folder, so left alone", "failed": "could not be put back",
}  # fmt: skip


def say_result(result: FileResult, streams: Streams, as_json: bool, dry_run: bool) -> None:
    """A picture's line. What was, or would be, written goes to the results; the rest does under --json
    only."""
    if as_json:
        streams.result(json_line(_record(result, dry_run)))
    elif result.state == "done":
        streams.result(f"{one_line(str(result.sidecar))}\t{one_line(result.text)}")
    elif result.state == "failed":
        streams.say(f"error: {one_line(str(result.image))}: {one_line(result.text)}")
    elif dry_run:
        streams.say(f"skipped: {one_line(str(result.image))}: {one_line(result.text)}")


def _record(result: FileResult, dry_run: bool) -> dict[str, Any]:
    record = {"picture": str(result.image), "caption_file": str(result.sidecar)}
    if result.state == "done":
        return {**record, "state": "would be written" if dry_run else "written", "text": result.text}
    return {**record, "state": result.state, "reason": result.text}


def summary(states: Counter[str], task: FolderTask, dry_run: bool) -> str:
    """How many pictures came to which end, and what can be done about it."""
    done = "would be written" if dry_run else "written"
    line = f"{states['done']} {done}, {states['skipped']} skipped, {states['failed']} failed."
    if dry_run or not states["done"]:
        return line
    return f"{line} To take it back: {_command('undo', task.root)}"


def stopped(states: Counter[str], total: int, dry_run: bool) -> str:
    """What an interrupted run says at its end."""
    line = f"Stopped after {states.total()} of {total} pictures."
    return line if dry_run else f"{line} What is written stays; the same command goes on with the rest."


def say_status(status: FolderStatus, task: FolderTask, streams: Streams, as_json: bool) -> None:
    """The folder's numbers, its runs, what is wrong with it."""
    if as_json:
        streams.result(json_line({"folder": str(task.root), **status.to_dict()}))
        return
    streams.result(
        f"{status.pictures} pictures: {status.captioned} captioned, {status.empty} with an empty "
        f"{task.extension}, {status.missing} without one"
    )
    for number, run in enumerate(status.runs, start=1):
        streams.result(_run_line(number, run, status.busy and run is status.runs[-1]))
    for problem in status.problems:
        streams.say(one_line(problem))
    if status.busy:
        streams.say("A run or an undo is writing in this folder now.")
    elif status.runs:
        streams.say(f"To take back the last run: {_command('undo', task.root)}")


def _run_line(number: int, run: PastRun, busy: bool) -> str:
    state = "" if run.finished else " · going on now" if busy else " · not finished"
    return one_line(f"run {number}: {run.owner.since}: {run.files} caption files: {run.asked}{state}")


def interrupted(run: PastRun) -> str:
    """What is said of a run that was interrupted, where another one is about to begin."""
    return one_line(
        f"The run of {run.owner.since} in this folder is not finished ({run.asked}); with the same settings "
        "it goes on."
    )


def say_undone(undone: Undone, folder: Path, streams: Streams, as_json: bool) -> None:
    """What became of each caption file, and how many runs are left."""
    for name, fate in sorted(undone.fates.items()):
        if as_json:
            streams.result(json_line({"caption_file": str(folder / name), **_fate_record(fate)}))
        else:
            reason = f": {fate.reason}" if fate.reason else ""
            streams.result(one_line(f"{folder / name}") + f"\t{FATES[fate.what]}{one_line(reason)}")
    for problem in undone.problems:
        streams.say(one_line(problem))
    streams.say(_undone_line(undone))


def _fate_record(fate: Fate) -> dict[str, str]:
    return {"state": fate.what, "reason": fate.reason or FATES[fate.what]}


def _undone_line(undone: Undone) -> str:
    if not undone.fates and not undone.runs:
        return "There is no run to undo in this folder."
    line = f"As they were: {undone.restored}"
    if kept := len(undone.names("kept")):
        line += f"; changed since, so left alone: {kept}"
    if failed := len(undone.names("failed")):
        line += f"; could not be put back: {failed} (put that right, or move them away, and undo again)"
    return f"{line}. Runs that can still be undone: {undone.left}."


def _command(part: str, folder: Path) -> str:
    return one_line(shlex.join(["python", "-m", "clipcap_ext", "folder", part, str(folder)]))
