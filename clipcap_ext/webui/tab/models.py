"""The Models pane: what is here or can be fetched, what it is good for, weighs and allows; frees the one in
memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.engine.catalog import list_to_fetch
from clipcap_ext.service.folder_window import open_window
from clipcap_ext.webui.tab.binding import Answer, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, QUIET, hidden_button, hidden_text
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_updates, model_form
from clipcap_ext.webui.tab.downloads import DownloadControls, build_downloads, lists_now, wire_downloads
from clipcap_ext.webui.tab.header import Header, models_now
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import state
from clipcap_ext.webui.tab.model_cards import card_here, card_to_fetch, cards_html


@dataclass(frozen=True, kw_only=True)
class ModelsPane:
    """The pane's components. The script puts the name of a card into `wanted` and presses `want` to use its
    model, `look` to see its folder."""

    refresh: gr.Button
    unload: gr.Button
    status: gr.HTML
    downloads: DownloadControls
    table: gr.HTML
    wanted: Any
    want: gr.Button
    look: gr.Button


def build_models(context: Context) -> ModelsPane:
    """Lay the pane out."""
    words = context.words
    with gr.Row(elem_classes=["clipcap_tight"]):
        refresh = gr.Button(words("Refresh"), size="sm", elem_id=elem_id("models_refresh"))
        unload = gr.Button(words("Unload"), size="sm", elem_id=elem_id("unload"))
    status = gr.HTML(state("idle", memory_line(context)), elem_id=elem_id("memory"))
    downloads = build_downloads(context)
    shown = gr.HTML(models_cards(context), elem_id=elem_id("models"))
    return ModelsPane(
        refresh=refresh, unload=unload, status=status, downloads=downloads, table=shown,
        wanted=hidden_text("wanted"), want=hidden_button("want"), look=hidden_button("look_where"),
    )  # fmt: skip


def wire_models(
    context: Context, header: Header, controls: DecodingControls, pane: ModelsPane, tab: gr.TabItem
) -> None:
    """Connect the pane; it is looked at anew whenever its tab is opened."""
    wire_downloads(context, header, pane.downloads, pane.table, lambda: models_cards(context))

    def unload() -> Answer:
        context.service.unload()
        return {pane.status: state("done", memory_line(context))}

    def again() -> Answer:
        return {
            pane.status: state("idle", memory_line(context)),
            pane.table: models_cards(context),
            **lists_now(context, pane.downloads),
        }

    def use(wanted: str | None) -> Answer:
        return {**models_now(context, header, wanted), **form_updates(controls, model_form(context, wanted))}

    def look(wanted: str | None) -> Answer:
        return {pane.status: looked(context, wanted)}

    outputs = [header.model, header.facts, *controls.components.values()]
    chosen = on(pane.want.click, use, {"wanted": pane.wanted}, outputs, "clipcap_wanted", **QUICK)
    page_only(chosen.then, "clipcap_first_pane")
    on(pane.look.click, look, {"wanted": pane.wanted}, [pane.status], "clipcap_wanted", **QUICK)
    on(pane.unload.click, unload, {}, [pane.status], **QUIET)
    for opened in (pane.refresh.click, header.refresh.click, tab.select):
        on(opened, again, {}, [pane.status, pane.table, *pane.downloads.lists], **QUICK)


def memory_line(context: Context) -> str:
    """What is in memory."""
    words, service = context.words, context.service
    return words("In memory:") + " " + service.status() if service.loaded() else words("No model in memory.")


def looked(context: Context, name: str | None) -> str:
    """Open the folder of a model, of one that is listed alone; what to say of it."""
    folder = next((entry.folder for entry in context.service.models() if entry.name == name), None)
    if folder is None:
        return state("failed", context.words("No model is chosen."))
    if context.host.shows_folders and open_window(folder):
        return state("done", str(folder))
    text = context.words("The folder cannot be opened from here: {place}", place=str(folder))
    return state("failed", text)


def models_cards(context: Context) -> str:
    """A card a model: those here, the broken ones with what is wrong, then those to fetch."""
    words = context.words
    sizes = dict(context.downloads.fetchable())  # with its CLIP, where that is not here
    published = list_to_fetch(folders=[context.host.models_dir])
    cards = [card_here(context, entry) for entry in context.service.models()]
    cards += [card_to_fetch(context, model, sizes) for model in published]
    own = words("Your own models go into {place}", place=str(context.host.models_dir))
    return cards_html(words, cards, own)
