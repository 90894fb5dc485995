"""The Caption tab: the only importer of gradio. `build` gives the host, or the standalone page, its
Blocks."""

from __future__ import annotations

from typing import Any

import gradio as gr

from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import Host, HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.tab.batch import build_batch, wire_batch
from clipcap_ext.webui.tab.compat import forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import build_decoding, wire_decoding
from clipcap_ext.webui.tab.folder.events import wire_folder
from clipcap_ext.webui.tab.folder.pane import FolderPane, build_folder
from clipcap_ext.webui.tab.header import build_header, wire_header
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.memory import wire_memory
from clipcap_ext.webui.tab.models import build_models, wire_models
from clipcap_ext.webui.tab.single.events import wire_single
from clipcap_ext.webui.tab.single.pane import SinglePane, build_single
from clipcap_ext.webui.words import Words


def build(
    service: CaptionService, host: Host, components: HostComponents | None = None, **blocks: Any
) -> gr.Blocks:
    """The tab as Blocks, not served yet. `components`: what was caught of the host; `blocks`: more for
    gr.Blocks."""
    language = str(host.setting("localization", "") or "")
    downloads = Downloads(host.models_dir)
    context = Context(service, host, components or HostComponents(), Words(language), downloads)
    with gr.Blocks(analytics_enabled=False, **blocks) as tab, gr.Column(elem_id=elem_id("root")):
        fill(context)
    return tab


def fill(context: Context) -> None:
    """Lay out all panes and connect them, inside whatever Blocks is open."""
    words, folder = context.words, None
    header = build_header(context)
    with forgotten(gr.Tabs(elem_id=elem_id("panes"))):
        with gr.TabItem(words("Single"), elem_id=elem_id("pane_single")):
            single = build_single(context)
        with gr.TabItem(words("Batch"), elem_id=elem_id("pane_batch")):
            batch = build_batch(context)
        if context.host.directories_allowed:
            with gr.TabItem(words("Folder"), elem_id=elem_id("pane_folder")):
                folder = build_folder(context)
        with gr.TabItem(words("Models"), elem_id=elem_id("pane_models")) as models_tab:
            models = build_models(context)
    controls = build_decoding(context)
    wire_header(context, header)
    wire_decoding(context, header.model, controls)
    wire_single(context, header, controls, single)
    wire_batch(context, header, controls, batch)
    if folder is not None:
        wire_folder(context, header, controls, folder)
    wire_models(context, header, controls, models, models_tab)
    wire_memory(context, header, controls, remembered_others(single, folder))
    if context.components.register is not None:
        context.components.register(single.picture)


def remembered_others(single: SinglePane, folder: FolderPane | None) -> dict[str, Any]:
    """The choices of the panes that are worth keeping, by the names they are kept by."""
    send = single.send
    sending = (
        {}
        if send is None
        else {"send_mode": send.mode, "with_picture": send.with_picture, "send_form": send.form}
    )
    return {**sending, **({} if folder is None else folder.task)}
