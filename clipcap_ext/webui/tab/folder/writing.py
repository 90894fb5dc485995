"""Writing the captions that were looked at beside their pictures, and undoing the last run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from clipcap_ext.batch.folder import folder_from_text, plan_folder
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.undo import undo as undo_runs
from clipcap_ext.errors import CaptionError
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import able
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import lacking_of
from clipcap_ext.webui.tab.folder.asked import Asked, Looked
from clipcap_ext.webui.tab.folder.pane import SHOWN, FolderPane
from clipcap_ext.webui.tab.markup import duration, failure, progress, state, table


def write(
    context: Context, pane: FolderPane, looked: Looked | None, model: str | None, task: Mapping[str, Any],
    decoding: Mapping[str, Any], mine: Asker,
) -> Iterator[Answer]:  # fmt: skip
    """Write the captions that were looked at, going on where an interrupted run with the same settings
    ended."""
    words, asked = context.words, Asked(model, task, decoding, lacking_of(context, model))
    if looked is None or looked.asked != asked or model is None:
        yield pane.idle(state("failed", words("The settings changed: look first again.")))
        return
    going = mine.own(Run(lambda run: _write(context, looked, model, run)))
    for _ in going.watch():
        yield {**pane.busy(progress(words, going)), pane.undo: able(False)}
    idle = {**pane.idle(_end(context, going)), pane.undo: able(True)}
    yield {**idle, pane.table: _result_table(context, going)}


def _write(context: Context, looked: Looked, model: str, run: Run) -> bool:
    """Whether it was stopped."""
    plan = plan_folder(looked.asked.folder_task())
    run.total = len(plan.files)
    asked = context.words("Captioning"), len(plan.to_write), model, run.set_stage, run.stopping
    with context.service.work(*asked) as work:
        for result in run_plan(plan, work.captioning(looked.options), stopped=lambda: work.stopped):
            run.add(result)
            work.step(result.text)
        return work.stopped


def _end(context: Context, run: Run) -> str:
    words = context.words
    if run.error is not None:
        return failure(words, run.error)
    counts = Counter(result.state for result in run.results)
    text = words(
        "{done} written, {skipped} skipped, {failed} failed", done=counts["done"], skipped=counts["skipped"],
        failed=counts["failed"],
    )  # fmt: skip
    line = f"{text} · {duration(run.seconds())}"
    if run.value:
        return state(
            "stopped", words("Stopped.") + " " + line + ". " + words("Look first and write again to go on.")
        )
    return state("done", line)


def _result_table(context: Context, run: Run) -> str:
    words = context.words
    order = {"failed": 0, "done": 1, "skipped": 2}
    names = {"failed": words("failed"), "done": words("written"), "skipped": words("skipped")}
    results = sorted(run.results, key=lambda result: order[result.state])[:SHOWN]
    rows = [
        (result.image.name, names[result.state], result.text.replace(f"{result.image.parent}/", ""))
        for result in results
    ]
    return table((words("Picture"), words("What happened"), words("Text or reason")), rows) if rows else ""


def undo(context: Context, pane: FolderPane, folder: str | None) -> Answer:
    """Put back the caption files that the last run in that folder replaced or made."""
    words = context.words
    try:
        undone = undo_runs(folder_from_text(folder or ""))
    except (CaptionError, OSError) as error:
        return {pane.status: failure(words, error)}
    failed = undone.names("failed")
    if not undone.runs and not failed:
        return {pane.status: state("idle", words("There is no run to undo in this folder."))}
    text = words("{count} caption files are as they were.", count=undone.restored)
    if kept := undone.names("kept") + undone.names("refused"):
        text += " " + words("Changed since, so left alone: {names}", names=", ".join(kept))
    if failed:
        text += " " + words("Could not be put back: {names}", names=", ".join(failed))
    return {pane.status: state("partly" if failed else "done", text), pane.table: ""}
