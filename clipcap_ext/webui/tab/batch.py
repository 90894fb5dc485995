"""The Batch pane: many uploaded pictures, a gallery of captions to edit in place, and files to take away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from clipcap_ext.batch.captioning import Outcome, caption_files
from clipcap_ext.batch.export import ExportRow, export
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.binding import Answer, follow, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, QUIET, able, hidden_text, uploaded_paths
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, chosen_form
from clipcap_ext.webui.tab.header import Header
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import card, duration, failure, gallery, progress, state, thumbnail_of

SHOW_EVERY = (
    1.15  # the gallery is sent again once it has grown by this factor, so that many pictures stay quick
)


@dataclass(frozen=True, kw_only=True)
class BatchPane:
    """The pane's components. `rows` holds what was captioned, `edits` what was typed over it since."""

    files: gr.File
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    gallery: gr.HTML
    rows: gr.State
    mine: gr.State
    edits: Any
    download: dict[str, gr.Button]
    payload: Any

    @property
    def outputs(self) -> list[Any]:
        """What a run shows."""
        buttons = [self.start, self.stop, *self.download.values()]
        return [self.status, *buttons, self.gallery, self.rows, self.edits]

    def busy(self, status: str) -> Answer:
        """A batch goes on and can be stopped; there is nothing to download yet."""
        return {self.status: status, self.start: able(False), self.stop: able(True), **self.takeaway(False)}

    def idle(self, status: str) -> Answer:
        """None goes on, and one can be begun."""
        return {self.status: status, self.start: able(True), self.stop: able(False)}

    def takeaway(self, useful: bool) -> Answer:
        """Whether there is something to download."""
        return {button: able(useful) for button in self.download.values()}


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
    return BatchPane(
        files=files, start=start, stop=stop, status=status, gallery=shown, rows=gr.State([]),
        mine=gr.State(Asker()),
        edits=hidden_text("edits"), download=download, payload=hidden_text("payload"),
    )  # fmt: skip


def wire_batch(context: Context, header: Header, controls: DecodingControls, pane: BatchPane) -> None:
    """Connect the pane."""
    words = context.words

    def chosen(files: Any) -> Answer:
        count = len(uploaded_paths(files))
        text = words("{count} pictures ready.", count=count) if count else words("No pictures yet.")
        return {pane.status: state("idle", text), pane.start: able(count > 0)}

    def payload(kind: str, rows: list[ExportRow], edits: str) -> Answer:
        return {pane.payload: download_payload(rows, edits, kind)}

    follow(pane.files.change, chosen, {"files": pane.files}, [pane.status, pane.start])
    mine = {"mine": pane.mine}
    inputs = {"files": pane.files, "model": header.model, "decoding": controls.components, **mine}
    on(pane.start.click, partial(caption_uploads, context, pane), inputs, pane.outputs, **QUIET)
    on(pane.stop.click, Asker.stop, {"self": pane.mine}, **QUICK)
    for kind, button in pane.download.items():
        captioned = {"rows": pane.rows, "edits": pane.edits}
        made = on(button.click, partial(payload, kind), captioned, [pane.payload], **QUICK)
        page_only(made.then, "({payload}) => clipcap_download(payload)", {"payload": pane.payload})


def caption_uploads(
    context: Context, pane: BatchPane, files: Any, model: str | None, decoding: Mapping[str, Any], mine: Asker
) -> Iterator[Answer]:
    """Caption the uploads, the gallery growing meanwhile."""
    words, uploads = context.words, uploaded_paths(files)
    if not uploads or model is None:
        text = words("No pictures yet.") if model else words("No model is chosen.")
        yield pane.idle(state("failed", text))
        return
    batch = Batch(context, uploads, model, chosen_form(context, model, decoding).options(one=True))
    mine.own(batch.run)
    shown = 0
    try:
        yield {**pane.busy(progress(words, batch.run)), pane.gallery: "", pane.rows: [], pane.edits: ""}
        for _ in batch.run.watch():
            answer = pane.busy(progress(words, batch.run))
            if len(batch.cards) > shown * SHOW_EVERY:
                shown = len(batch.cards)
                answer[pane.gallery] = gallery(batch.cards)
            yield answer
    except GeneratorExit:  # the page is gone, nobody will read the rest
        batch.run.stop()
        raise
    ended = pane.idle(batch_end(context, batch.run, batch.rows))
    downloads = pane.takeaway(any(not row.problem for row in batch.rows))
    results = {pane.gallery: gallery(batch.cards), pane.rows: batch.rows, pane.edits: ""}
    yield {**ended, **downloads, **results}


class Batch:
    """The uploads of one press on their way: the rows and the cards grow while `run` goes on."""

    def __init__(
        self, context: Context, uploads: Sequence[tuple[str, Path]], model: str, options: DecodingOptions
    ) -> None:
        self.cards: list[str] = []
        self.rows: list[ExportRow] = []
        self._context = context
        self._names = {path: name for name, path in uploads}
        self.run = Run(lambda run: self._caption(run, model, options), total=len(self._names))

    def _caption(self, run: Run, model: str, options: DecodingOptions) -> bool:
        """Whether it was stopped."""
        words, paths = self._context.words, list(self._names)
        asked = words("Captioning"), len(paths), model, run.set_stage, run.stopping
        with self._context.service.work(*asked) as work:
            for outcome in caption_files(paths, work.captioning(options), stopped=lambda: work.stopped):
                row = row_of(self._names[outcome.path], outcome)
                thumbnail = "" if outcome.image is None else thumbnail_of(outcome.image)
                self.cards.append(
                    card(words, len(self.rows), row.file_name, row.text, row.problem, thumbnail)
                )
                self.rows.append(row)
                run.add(row)
                work.step(row.text)
            return work.stopped


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
