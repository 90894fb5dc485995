"""The Folder pane's layout: which folder, how captions are worded, and what would be written. No events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.batch.folder import FolderTask
from clipcap_ext.batch.sidecar import FORMATS
from clipcap_ext.batch.wording import POLICIES
from clipcap_ext.service.asker import Asker
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import able, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import state
from clipcap_ext.webui.tab.parts import form_choice

SHOWN = 500  # rows of the table
POLICY_NAMES = ("Skip", "Overwrite", "Append", "Prepend", "Only where empty")


@dataclass(frozen=True, kw_only=True)
class FolderPane:
    """The pane's components; `task` by the names that Asked reads."""

    task: dict[str, Any]
    look: gr.Button
    write: gr.Button
    stop: gr.Button
    undo: gr.Button
    status: gr.HTML
    table: gr.HTML
    looked: gr.State
    mine: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What a run shows."""
        return [self.status, self.look, self.write, self.stop, self.undo, self.table, self.looked]

    def busy(self, status: str) -> Answer:
        """A run goes on and can be stopped."""
        buttons = {self.look: able(False), self.write: able(False), self.stop: able(True)}
        return {self.status: status, **buttons}

    def idle(self, status: str, looked: Any = None) -> Answer:
        """None goes on; what was `looked` at can be written, and anything can be looked at."""
        buttons = {self.look: able(True), self.write: able(looked is not None), self.stop: able(False)}
        return {self.status: status, **buttons, self.looked: looked}


def build_folder(context: Context) -> FolderPane:
    """Lay the pane out."""
    words = context.words
    task = _build_task(context)
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
    return FolderPane(
        task=task, look=look, write=write, stop=stop, undo=undo, status=status, table=shown,
        looked=gr.State(None), mine=gr.State(Asker()),
    )  # fmt: skip


def _build_task(context: Context) -> dict[str, Any]:
    words = context.words
    with gr.Row():
        folder = gr.Textbox(
            label=words("Folder on this machine"),
            placeholder=words("/pictures/my dog"),
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
            list(FORMATS),
            value=FolderTask.extension,
            label=words("Caption files"),
            elem_id=elem_id("extension"),
        )
        form = form_choice(words, "form", words("What is written"))
    with gr.Row():
        trigger = gr.Textbox(label=words("Trigger word"), elem_id=elem_id("trigger"))
        prefix = gr.Textbox(label=words("Prefix"), elem_id=elem_id("prefix"))
        suffix = gr.Textbox(label=words("Suffix"), elem_id=elem_id("suffix"))
    task = {
        "folder": folder, "recursive": recursive, "extension": extension, "policy": policy,
        "prefix": prefix, "suffix": suffix, "trigger": trigger, "form": form,
    }  # fmt: skip
    return {name: forgotten(component) for name, component in task.items()}
