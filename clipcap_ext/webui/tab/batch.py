"""The Batch pane: many uploaded pictures, a gallery of captions to edit in place, and files to take away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.batch.captioning import Outcome, caption_files
from clipcap_ext.batch.export import ExportRow, export
from clipcap_ext.batch.wording import plain_caption
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.compat import QUICK, QUIET, follow, hidden_text, page_only, uploaded_paths
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_of
from clipcap_ext.webui.tab.header import Header
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import card, duration, failure, gallery, progress, state, thumbnail_of

SHOW_EVERY = (
    1.15  # the gallery is sent again once it has grown by this factor, so that many pictures stay quick
)


@dataclass(frozen=True)
class BatchPane:
    """The pane's components. `rows` holds what was captioned, `edits` what was typed over it since."""

    files: gr.File
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    gallery: gr.HTML
    rows: gr.State
    edits: Any
    download: dict[str, gr.Button]
    payload: Any


def build_batch(context: Context) -> BatchPane:
    """Lay the pane out."""
    words = context.words
    files = gr.File(
        file_count="multiple", file_types=["image"], label=words("Pictures: drop or choose many"), height=180,
        elem_id=elem_id("files"),
    )  # fmt: skip
    with gr.Row(elem_classes=["clipcap_tight"]):
        start = gr.Button(
            words("Caption all"), variant="primary", interactive=False, elem_id=elem_id("batch_run"), scale=3
        )
        stop = gr.Button(
            words("Stop"), interactive=False, elem_id=elem_id("batch_stop"), scale=1, min_width=80
        )
    status = gr.HTML(state("idle", words("No pictures yet.")), elem_id=elem_id("batch_status"))
    with gr.Row(elem_classes=["clipcap_tight"]):
        names = {"zip": "Download .txt files (zip)", "csv": "Download CSV", "jsonl": "Download JSON lines"}
        download = {
            kind: gr.Button(words(text), interactive=False, size="sm", elem_id=elem_id(f"download_{kind}"))
            for kind, text in names.items()
        }
    shown = gr.HTML("", elem_id=elem_id("gallery"))
    edits, payload = hidden_text("edits"), hidden_text("payload")
    return BatchPane(files, start, stop, status, shown, gr.State([]), edits, download, payload)


def wire_batch(context: Context, header: Header, controls: DecodingControls, pane: BatchPane) -> None:
    """Connect the pane."""
    words, service = context.words, context.service
    buttons = [pane.start, pane.stop, *pane.download.values()]

    def chosen(files: Any) -> list[Any]:
        count = len(uploaded_paths(files))
        text = words("{count} pictures ready.", count=count) if count else words("No pictures yet.")
        return [state("idle", text), gr.update(interactive=count > 0)]

    def run(files: Any, model: str | None, *values: Any) -> Iterator[list[Any]]:
        yield from caption_uploads(context, files, model, values)

    def make(kind: str) -> Any:
        return lambda rows, edits: download_payload(rows, edits, kind)

    follow(pane.files.change, chosen, [pane.files], [pane.status, pane.start])
    inputs = [pane.files, header.model, *controls.components.values()]
    outputs = [pane.status, *buttons, pane.gallery, pane.rows, pane.edits]
    pane.start.click(run, inputs, outputs, **QUIET)
    pane.stop.click(lambda: service.stop(), None, None, **QUICK)
    for kind, button in pane.download.items():
        made = button.click(make(kind), [pane.rows, pane.edits], [pane.payload], **QUICK)
        page_only(made.then, "(payload) => clipcap_download(payload)", [pane.payload])


def caption_uploads(
    context: Context, files: Any, model: str | None, values: tuple[Any, ...]
) -> Iterator[list[Any]]:
    """Caption the uploads. Yields status, start, stop, three downloads, gallery, rows, edits."""
    words, same, off, on = (
        context.words,
        gr.update(),
        gr.update(interactive=False),
        gr.update(interactive=True),
    )
    uploads = uploaded_paths(files)
    if not uploads or model is None:
        text = words("No pictures yet.") if model else words("No model is chosen.")
        yield [state("failed", text), on, off, same, same, same, same, same, same]
        return
    options, names = form_of(values).options(one=True), {path: name for name, path in uploads}
    cards: list[str] = []
    rows: list[ExportRow] = []

    def work(run: Run) -> bool:
        with context.service.work(words("Captioning"), len(uploads), model, run.set_stage) as work:
            for outcome in caption_files(list(names), work.captioning(options), stopped=lambda: work.stopped):
                row = row_of(names[outcome.path], outcome)
                thumbnail = "" if outcome.image is None else thumbnail_of(outcome.image)
                cards.append(card(words, len(rows), row.file_name, row.text, row.problem, thumbnail))
                rows.append(row)
                run.add(row)
                work.step(row.text)
            return work.stopped

    going, shown = Run(work, total=len(names)), 0
    yield [progress(words, going), off, on, off, off, off, "", [], ""]
    try:
        for _ in going.watch():
            grown = len(cards) > shown * SHOW_EVERY
            shown = len(cards) if grown else shown
            yield [
                progress(words, going),
                off,
                on,
                off,
                off,
                off,
                gallery(cards) if grown else same,
                same,
                same,
            ]
    except GeneratorExit:  # the page is gone, nobody will read the rest
        context.service.stop()
        raise
    useful = gr.update(interactive=any(not row.problem for row in rows))
    yield [batch_end(context, going, rows), on, off, useful, useful, useful, gallery(cards), rows, ""]


def row_of(name: str, outcome: Outcome) -> ExportRow:
    """One picture's line in what can be taken away; a problem names the file by the name it had."""
    if outcome.caption is None:
        return ExportRow(
            name, "", outcome.problem.replace(str(outcome.path), name).replace(outcome.path.name, name)
        )
    return ExportRow(name, plain_caption(outcome.caption.text))


def batch_end(context: Context, run: Run, rows: list[ExportRow]) -> str:
    """The last line: what was done, what failed, how long it took."""
    words = context.words
    failed = [row.file_name for row in rows if row.problem]
    if run.error is not None:
        return failure(words, run.error)
    parts = [words("{done} of {total} captioned", done=len(rows) - len(failed), total=run.total)]
    if failed:
        parts.append(
            words("failed: {names}", names=", ".join(failed[:5]) + (" …" if len(failed) > 5 else ""))
        )
    parts.append(duration(run.seconds()))
    if run.value:
        return state("stopped", words("Stopped.") + " " + " · ".join(parts))
    return state("partly" if failed else "done", " · ".join(parts))


def download_payload(rows: list[ExportRow], edits: str, kind: str) -> str:
    """A file for the script to hand to the browser: {name, data}, data in base64; what was typed counts."""
    name, content = export(edited(rows, edits), kind)
    return json.dumps({"name": name, "data": base64.b64encode(content).decode()})


def edited(rows: list[ExportRow], edits: str) -> list[ExportRow]:
    """The rows with the texts typed in the gallery: a JSON object {row number: text}."""
    try:
        typed = json.loads(edits or "{}")
    except ValueError:
        typed = {}
    if not isinstance(typed, Mapping):
        typed = {}
    return [
        ExportRow(row.file_name, str(typed.get(str(place), row.text)), row.problem)
        for place, row in enumerate(rows)
    ]
