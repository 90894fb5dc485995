"""Look first: what a folder run would write, the first captions made for real. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipcap_ext.batch.captioning import caption_files
from clipcap_ext.batch.folder import Plan, plan_folder
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CaptionError
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import lacking_of
from clipcap_ext.webui.tab.folder.asked import Asked, Looked
from clipcap_ext.webui.tab.folder.pane import SHOWN, FolderPane
from clipcap_ext.webui.tab.markup import failure, progress, state, table

PREVIEWED = 3  # pictures that are captioned to show what would be written
NAMED = 5  # pictures that cannot be read, by name; the table has them all


def look(
    context: Context,
    pane: FolderPane,
    model: str | None,
    task: Mapping[str, Any],
    decoding: Mapping[str, Any],
    mine: Asker,
) -> Iterator[Answer]:
    """Plan, caption the first few, read the others, show what would be written where and what cannot be
    read."""
    words, asked = context.words, Asked(model, task, decoding, lacking_of(context, model))
    looked = Looked(asked, asked.form.options(one=True))
    try:
        plan = plan_folder(asked.folder_task())
    except CaptionError as error:
        yield {**pane.idle(failure(words, error)), pane.table: ""}
        return
    first = plan.to_write[:PREVIEWED]
    going = mine.own(Run(lambda run: _preview(context, plan, looked, run), total=len(first)))
    for _ in going.watch():
        yield {**pane.busy(progress(words, going, counted=False)), pane.looked: None}
    if going.error is not None:
        yield {**pane.idle(failure(words, going.error)), pane.table: ""}
        return
    told = _counts(context, plan) + _unread(context, going.results)
    note = state("done" if plan.to_write else "idle", told)
    idle = pane.idle(note, looked if plan.to_write else None)
    yield {**idle, pane.table: _plan_table(context, plan, dict(going.results))}


def _preview(context: Context, plan: Plan, looked: Looked, run: Run) -> None:
    """The results are (picture, (whether it can be captioned, its text or why not)), those that fail and the
    first few."""
    _caption_first(context, plan, looked, run)
    run.set_stage("reading")
    for file in plan.to_write[PREVIEWED:]:
        if run.stopping.is_set():
            break
        try:
            open_image(file.image)
        except CaptionError as error:
            run.add((file.image, (False, str(error))))


def _caption_first(context: Context, plan: Plan, looked: Looked, run: Run) -> None:
    paths, model = [file.image for file in plan.to_write[:PREVIEWED]], looked.asked.model
    if not paths or model is None:
        return
    old = {file.image: file.old for file in plan.to_write}
    asked = context.words("Captioning"), len(paths), model, run.set_stage, run.stopping
    with context.service.work(*asked) as work:
        captioning = work.captioning(looked.options)
        for outcome in caption_files(paths, captioning, stopped=lambda: work.stopped):
            if outcome.caption is None:
                run.add((outcome.path, (False, outcome.problem)))
            else:
                keywords = [keyword.text for keyword in outcome.caption.keywords]
                wording, before = plan.task.wording, old[outcome.path]
                text = wording.compose(outcome.caption.text, outcome.path, before, keywords)
                run.add((outcome.path, (True, text)))


def _unread(context: Context, results: Sequence[tuple[Path, tuple[bool, str]]]) -> str:
    names = [path.name for path, (fine, _) in results if not fine]
    told = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    return " " + context.words("Cannot be read: {names}", names=told) if names else ""


def _counts(context: Context, plan: Plan) -> str:
    words = context.words
    counts = words(
        "{write} to write, {skip} to skip, {fail} that cannot be written.", write=len(plan.to_write),
        skip=sum(bool(file.skip) for file in plan.files), fail=sum(bool(file.problem) for file in plan.files),
    )  # fmt: skip
    if plan.collisions:
        counts += " " + words("Two pictures, one caption file:") + " " + "; ".join(plan.collisions)
    if (last := plan.interrupted) is not None:
        counts += " " + words(
            "The run of {since} here is not finished ({asked}); with the same settings it goes on.",
            since=last.owner.since, asked=last.asked,
        )  # fmt: skip
    return counts


def _plan_table(context: Context, plan: Plan, previews: dict[Path, tuple[bool, str]]) -> str:
    words, rows, folder = context.words, [], plan.task.folder
    for file in sorted(plan.files, key=lambda file: file.image not in previews)[:SHOWN]:
        fine, text = previews.get(file.image, (not file.problem, file.skip or file.problem or "…"))
        action = words("skip") if file.skip else words("write") if fine else words("cannot")
        rows.append((str(file.image.relative_to(folder)), action, text.replace(f"{folder}/", "")))
    title = words("What would be written (the first pictures are captioned to show it)")
    return table((words("Picture"), words("What happens"), words("Text or reason")), rows, title)
