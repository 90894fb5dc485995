"""The Models pane: what is here or can be fetched, what it is good for, weighs and allows; frees the one in
memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from clipcap_ext.engine.catalog import ModelEntry, list_to_fetch
from clipcap_ext.engine.published.published_models import PublishedModel
from clipcap_ext.service.model_facts import purpose_of, scores_of, size_of, state_of, terms_of
from clipcap_ext.webui.tab.binding import Answer, on
from clipcap_ext.webui.tab.compat import QUICK, QUIET
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.downloads import DownloadControls, build_downloads, lists_now, wire_downloads
from clipcap_ext.webui.tab.header import Header
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import size_text, state, table


@dataclass(frozen=True, kw_only=True)
class ModelsPane:
    """The pane's components."""

    refresh: gr.Button
    unload: gr.Button
    status: gr.HTML
    downloads: DownloadControls
    table: gr.HTML


def build_models(context: Context) -> ModelsPane:
    """Lay the pane out."""
    words = context.words
    with gr.Row(elem_classes=["clipcap_tight"]):
        refresh = gr.Button(words("Refresh"), size="sm", elem_id=elem_id("models_refresh"))
        unload = gr.Button(words("Unload"), size="sm", elem_id=elem_id("unload"))
    status = gr.HTML(state("idle", memory_line(context)), elem_id=elem_id("memory"))
    downloads = build_downloads(context)
    shown = gr.HTML(models_table(context), elem_id=elem_id("models"))
    return ModelsPane(
        refresh=refresh, unload=unload, status=status, downloads=downloads, table=shown,
    )  # fmt: skip


def wire_models(context: Context, header: Header, pane: ModelsPane, tab: gr.TabItem) -> None:
    """Connect the pane; it is looked at anew whenever its tab is opened."""
    wire_downloads(context, header, pane.downloads, pane.table, lambda: models_table(context))

    def unload() -> Answer:
        context.service.unload()
        return {pane.status: state("done", memory_line(context))}

    def again() -> Answer:
        return {
            pane.status: state("idle", memory_line(context)),
            pane.table: models_table(context),
            **lists_now(context, pane.downloads),
        }

    on(pane.unload.click, unload, {}, [pane.status], **QUIET)
    for look in (pane.refresh.click, header.refresh.click, tab.select):
        on(look, again, {}, [pane.status, pane.table, *pane.downloads.lists], **QUICK)


def memory_line(context: Context) -> str:
    """What is in memory."""
    words, service = context.words, context.service
    return words("In memory:") + " " + service.status() if service.loaded() else words("No model in memory.")


def models_table(context: Context) -> str:
    """One row a model, the broken ones with what is wrong."""
    words = context.words
    head = ("Name", "Good for", "Size", "Licence", "State", "Scores", "Where")
    rows = [_row(context, entry) for entry in context.service.models()]
    sizes = dict(context.downloads.fetchable())  # with its CLIP, where that is not here
    published = list_to_fetch(folders=[context.host.models_dir])
    rows += [_row_to_fetch(context, model, sizes) for model in published]
    title = words("Your own models go into {place}", place=str(context.host.models_dir))
    return table([words(cell) for cell in head], rows, title)


def _row(context: Context, entry: ModelEntry) -> tuple[str, ...]:
    words, models_dir = context.words, context.host.models_dir
    text, encoder = state_of(entry, models_dir)
    told = words(text, encoder=encoder) + (f": {entry.problem}" if entry.problem else "")
    return (
        entry.name, purpose_of(entry), size_text(size_of(entry, models_dir)), terms_of(entry) or "–", told,
        scores_of(entry) or "–", str(entry.folder),
    )  # fmt: skip


def _row_to_fetch(context: Context, model: PublishedModel, sizes: Mapping[str, int]) -> tuple[str, ...]:
    words, place = context.words, context.host.models_dir / model.name
    whole = sizes.get(model.name, model.size)
    size = words("about {size}", size=size_text(whole)) if whole else "–"
    told = words("not here: its file can only be fetched by hand")
    if model.repo:
        told = words("not here yet: {repo} on the Hub, choose it under To download", repo=model.repo)
    where = f"{place}.pt" if not model.repo else str(place)
    return model.name, model.purpose, size, model.terms or model.licence or "–", told, "–", where
