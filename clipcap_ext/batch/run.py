"""A plan for a folder carried out, or only rehearsed: picture by picture, the journal first, then a whole
caption file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from clipcap_ext.batch.captioning import BATCH_SIZE, Outcome, caption_files
from clipcap_ext.batch.disk import DISK, Disk
from clipcap_ext.batch.entry import Write
from clipcap_ext.batch.folder import FolderTask, Plan, PlannedFile
from clipcap_ext.batch.journal import JournalWriter, open_journal
from clipcap_ext.batch.settling import Settling
from clipcap_ext.batch.sidecar import content_of, read_sidecar, real_place
from clipcap_ext.batch.wording import ADDING
from clipcap_ext.captioning import Captioning
from clipcap_ext.errors import CaptionError
from clipcap_ext.files import tidy

Ask = Callable[[Sequence[Path]], Iterator[Outcome]]
Put = Callable[[PlannedFile, str], str]  # bring a caption file's new text to the disk; why not, if not


@dataclass(frozen=True)
class FileResult:
    """One picture after a run: `state` is done, skipped or failed, `text` what was written or why not."""

    image: Path
    state: str
    text: str
    sidecar: Path


def run_plan(
    plan: Plan, captioning: Captioning, *, batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False, disk: Disk = DISK,
) -> Generator[FileResult, None, None]:  # fmt: skip
    """Caption and write what the plan says, yielding each picture's result; skipped ones come first.

    Interrupted (stopped, closed, killed), it leaves whole files, and the same task goes on where this one
    ended. Raises FolderBusy while somebody else writes there, CaptionError if the folder cannot be written or
    the model fails again and again.
    """
    task, ask = plan.task, _asking(captioning, batch_size, stopped)
    if not plan.to_write:
        yield from _results(plan, ask, _leave)
        return
    with open_journal(task.root, disk) as journal:
        for folder in {file.sidecar.parent for file in plan.to_write}:
            tidy(folder)
        journal.begin(task.settings())
        states: Counter[str] = Counter()
        files = Settling(disk)
        try:
            for result in _results(plan, ask, partial(_write, task, journal, files)):
                states[result.state] += 1
                yield result
        finally:
            files.settle()
        ended = states.total() == len(plan.files)
        if ended and not (states["failed"] and task.wording.policy in ADDING):
            journal.finish()  # else the same task, called again, adds to the failed ones alone


def rehearse(
    plan: Plan, captioning: Captioning, *, batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[FileResult, None, None]:  # fmt: skip
    """What run_plan would yield and write, to the letter; nothing is written."""
    yield from _results(plan, _asking(captioning, batch_size, stopped), _leave)


def _asking(captioning: Captioning, batch_size: int, stopped: Callable[[], bool]) -> Ask:
    return lambda paths: caption_files(paths, captioning, batch_size=batch_size, stopped=stopped)


def _results(plan: Plan, ask: Ask, put: Put) -> Iterator[FileResult]:
    """Each picture's result, once; fewer if it was stopped.

    Where several pictures want one caption file, the first that can be read gets it.
    """
    todo = {file.image: file for file in plan.to_write}
    rivals: dict[Path, list[PlannedFile]] = {}
    for file in plan.files:
        if file.problem:
            yield _result(file, "failed", file.problem)
        elif file.rival_of is not None and file.rival_of in todo:
            rivals.setdefault(file.rival_of, []).append(file)
        elif file.skip:
            yield _result(file, "skipped", file.skip)
    while todo:
        again: dict[Path, PlannedFile] = {}
        for outcome in ask(list(todo)):
            planned = todo.pop(outcome.path)
            yield _made(plan.task, planned, outcome, put)
            others = rivals.pop(planned.image, [])
            if others and outcome.image is None:
                again[others[0].image] = replace(planned, image=others[0].image)
                rivals[others[0].image] = others[1:]
            else:
                yield from (_result(file, "skipped", file.skip) for file in others)
        if todo:  # stopped
            return
        todo = again


def _made(task: FolderTask, planned: PlannedFile, outcome: Outcome, put: Put) -> FileResult:
    if outcome.caption is None:
        return _result(planned, "failed", outcome.problem)
    keywords = [keyword.text for keyword in outcome.caption.keywords]
    text = task.wording.compose(outcome.caption.text, planned.image, planned.old, keywords)
    problem = put(planned, text)
    return _result(planned, "failed", problem) if problem else _result(planned, "done", text)


def _result(planned: PlannedFile, state: str, text: str) -> FileResult:
    return FileResult(planned.image, state, text, planned.sidecar)


def _leave(planned: PlannedFile, text: str) -> str:
    return ""


def _write(task: FolderTask, journal: JournalWriter, files: Settling, planned: PlannedFile, text: str) -> str:
    name, content = planned.sidecar.name, content_of(text, planned.sidecar.suffix)
    place = real_place(planned.sidecar, task.root)
    try:
        if place is None or read_sidecar(place) != planned.held:
            return f"{name} changed meanwhile, so it is left alone"
    except CaptionError as error:
        return str(error)
    if content == planned.held:
        return ""
    journal.record(Write(task.name(planned.sidecar), planned.held, content))
    try:
        files.write(place, content)
    except OSError as error:
        return f"{name} cannot be written: {error.strerror or error}"
    return ""
