"""The Folder pane: captions beside the pictures of a folder of this machine; look first, then write, then
undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from clipcap_ext.batch.captioning import caption_files
from clipcap_ext.batch.folder import FolderTask, Plan, folder_from_text, plan_folder
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.sidecar import EXTENSIONS
from clipcap_ext.batch.undo import undo as undo_runs
from clipcap_ext.batch.wording import POLICIES, Wording
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.errors import CaptionError
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.tab.compat import QUICK, QUIET, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_of
from clipcap_ext.webui.tab.header import Header
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import duration, failure, progress, state, table

PREVIEWED = 3  # pictures that are captioned to show what would be written
SHOWN = 500  # rows of the table
POLICY_NAMES = ("Skip", "Overwrite", "Append", "Prepend", "Only where empty")


@dataclass(frozen=True)
class Looked:
    """What was looked at: every control's value, and the decoding it meant (a random seed is drawn once)."""

    values: tuple[Any, ...]
    options: DecodingOptions


@dataclass(frozen=True)
class FolderPane:
    """The pane's components; `task` in the order `task_of` takes them."""

    task: tuple[Any, ...]
    look: gr.Button
    write: gr.Button
    stop: gr.Button
    undo: gr.Button
    status: gr.HTML
    table: gr.HTML
    looked: gr.State


def build_folder(context: Context) -> FolderPane:
    """Lay the pane out."""
    words = context.words
    with gr.Row():
        folder = gr.Textbox(
            label=words("Folder on this machine"),
            placeholder="/pictures/my dog",
            elem_id=elem_id("folder"),
            scale=4,
        )
        recursive = gr.Checkbox(
            False, label=words("With its subfolders"), elem_id=elem_id("recursive"), scale=1
        )
    with gr.Row():
        policies = [(words(text), value) for text, value in zip(POLICY_NAMES, POLICIES, strict=True)]
        policy = gr.Radio(
            policies, value="skip", label=words("Where a caption exists"), elem_id=elem_id("policy")
        )
        extension = gr.Radio(
            list(EXTENSIONS), value=".txt", label=words("Caption files"), elem_id=elem_id("extension")
        )
    with gr.Row():
        trigger = gr.Textbox(label=words("Trigger word"), elem_id=elem_id("trigger"))
        prefix = gr.Textbox(label=words("Prefix"), elem_id=elem_id("prefix"))
        suffix = gr.Textbox(label=words("Suffix"), elem_id=elem_id("suffix"))
    with gr.Row(elem_classes=["clipcap_tight"]):
        look = gr.Button(words("Look first"), variant="primary", elem_id=elem_id("look"), scale=2)
        write = gr.Button(words("Write captions"), interactive=False, elem_id=elem_id("write"), scale=2)
        stop = gr.Button(
            words("Stop"), interactive=False, elem_id=elem_id("folder_stop"), scale=1, min_width=80
        )
        undo = gr.Button(words("Undo last run"), elem_id=elem_id("folder_undo"), scale=1, min_width=110)
    status = gr.HTML(
        state("idle", words("Look first shows what would be written; nothing is written before.")),
        elem_id=elem_id("folder_status"),
    )
    shown = gr.HTML("", elem_id=elem_id("folder_table"))
    task = tuple(forgotten(one) for one in (folder, recursive, extension, policy, prefix, suffix, trigger))
    return FolderPane(task, look, write, stop, undo, status, shown, gr.State(None))


def task_of(values: tuple[Any, ...], model: str | None, form: DecodingForm) -> FolderTask:
    """The task that the controls describe; UsageError where they do not."""
    folder, recursive, extension, policy, prefix, suffix, trigger = values
    wording = Wording(policy, prefix or "", suffix or "", trigger or "")
    return FolderTask(folder_from_text(folder or ""), wording, bool(recursive), extension, f"{model} {form}")


def wire_folder(context: Context, header: Header, controls: DecodingControls, pane: FolderPane) -> None:
    """Connect the pane."""
    service, decoding = context.service, controls.components.values()
    inputs = [header.model, *pane.task, *decoding]
    outputs = [pane.status, pane.look, pane.write, pane.stop, pane.undo, pane.table, pane.looked]
    pane.look.click(lambda *values: (yield from look(context, *values)), inputs, outputs, **QUIET)
    pane.write.click(
        lambda *values: (yield from write(context, *values)), [pane.looked, *inputs], outputs, **QUIET
    )
    pane.stop.click(lambda: service.stop(), None, None, **QUICK)
    pane.undo.click(lambda folder: undo(context, folder), [pane.task[0]], [pane.status, pane.table], **QUICK)
    for one in (*pane.task, header.model, *decoding):  # other settings have to be looked at anew
        one.change(lambda: [gr.update(interactive=False), None], None, [pane.write, pane.looked], **QUICK)


def split(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The task's values and the decoding's."""
    return values[:7], values[7:]


def look(context: Context, model: str | None, *values: Any) -> Iterator[list[Any]]:
    """The dry run: plan, caption the first few, show what would be written where. Writes nothing."""
    words, same, off, on = (
        context.words,
        gr.update(),
        gr.update(interactive=False),
        gr.update(interactive=True),
    )
    task_values, decoding_values = split(values)
    form = form_of(decoding_values)
    options = form.options(one=True)

    def ended(status: str, shown: Any = "", looked: Any = None) -> list[Any]:
        can_write = gr.update(interactive=looked is not None)
        return [status, on, can_write, off, same, shown, looked]

    try:
        plan = plan_folder(task_of(task_values, model, form))
    except CaptionError as error:
        yield ended(failure(words, error))
        return
    first = plan.to_write[:PREVIEWED]
    going = Run(lambda run: _preview(context, plan, model, options, run), total=len(first))
    for _ in going.watch():
        yield [progress(words, going, counted=False), off, off, on, same, same, None]
    if going.error is not None:
        yield ended(failure(words, going.error))
        return
    counts = words(
        "{write} to write, {skip} to skip, {fail} that cannot be written.", write=len(plan.to_write),
        skip=sum(bool(one.skip) for one in plan.files), fail=sum(bool(one.problem) for one in plan.files),
    )  # fmt: skip
    if plan.collisions:
        counts += " " + words("Two pictures, one caption file:") + " " + "; ".join(plan.collisions)
    found = state("done" if plan.to_write else "idle", counts)
    looked = Looked((model, *values), options) if plan.to_write else None
    yield ended(found, _plan_table(context, plan, dict(going.results)), looked)


def _preview(context: Context, plan: Plan, model: str | None, options: DecodingOptions, run: Run) -> None:
    paths = [one.image for one in plan.to_write[:PREVIEWED]]
    if not paths or model is None:
        return
    old = {one.image: one.old for one in plan.to_write}
    with context.service.work(context.words("Captioning"), len(paths), model, run.set_stage) as work:
        for outcome in caption_files(paths, work.captioning(options), stopped=lambda: work.stopped):
            if outcome.caption is None:
                run.add((outcome.path, (False, outcome.problem)))
            else:
                text = plan.task.wording.compose(outcome.caption.text, outcome.path, old[outcome.path])
                run.add((outcome.path, (True, text)))


def _plan_table(context: Context, plan: Plan, previews: dict[Path, tuple[bool, str]]) -> str:
    words, rows, folder = context.words, [], plan.task.folder
    for one in sorted(plan.files, key=lambda one: one.image not in previews)[:SHOWN]:
        fine, text = previews.get(one.image, (not one.problem, one.skip or one.problem or "…"))
        action = words("skip") if one.skip else words("write") if fine else words("cannot")
        rows.append((str(one.image.relative_to(folder)), action, text.replace(f"{folder}/", "")))
    title = words("What would be written (the first pictures are captioned to show it)")
    return table((words("Picture"), words("What happens"), words("Text or reason")), rows, title)


def write(context: Context, looked: Looked | None, model: str | None, *values: Any) -> Iterator[list[Any]]:
    """Write the captions that were looked at, going on where an interrupted run with the same settings
    ended."""
    words, same, off, on = (
        context.words,
        gr.update(),
        gr.update(interactive=False),
        gr.update(interactive=True),
    )
    if looked is None or looked.values != (model, *values) or model is None:
        yield [
            state("failed", words("The settings changed: look first again.")),
            on,
            off,
            off,
            same,
            same,
            None,
        ]
        return
    task_values, decoding_values = split(values)
    form = form_of(decoding_values)

    def work(run: Run) -> bool:
        plan = plan_folder(task_of(task_values, model, form))
        run.total = len(plan.files)
        with context.service.work(words("Captioning"), len(plan.to_write), model, run.set_stage) as work:
            for result in run_plan(plan, work.captioning(looked.options), stopped=lambda: work.stopped):
                run.add(result)
                work.step(result.text)
            return work.stopped

    going = Run(work)
    for _ in going.watch():
        yield [progress(words, going), off, off, on, off, same, same]
    yield [_write_end(context, going), on, off, off, on, _result_table(context, going), None]


def _write_end(context: Context, run: Run) -> str:
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


def undo(context: Context, folder: str) -> list[Any]:
    """Put back the caption files that the last run in that folder replaced or made."""
    words = context.words
    try:
        undone = undo_runs(folder_from_text(folder or ""))
    except (CaptionError, OSError) as error:
        return [failure(words, error), gr.update()]
    failed = undone.names("failed")
    if not undone.runs and not failed:
        return [state("idle", words("There is no run to undo in this folder.")), gr.update()]
    text = words("{count} caption files are as they were.", count=undone.restored)
    if kept := undone.names("kept") + undone.names("refused"):
        text += " " + words("Changed since, so left alone: {names}", names=", ".join(kept))
    if failed:
        text += " " + words("Could not be put back: {names}", names=", ".join(failed))
        return [state("partly", text), ""]
    return [state("done", text), ""]
