"""What happens in the Folder pane."""

from __future__ import annotations

from functools import partial

from clipcap_ext.service.asker import Asker
from clipcap_ext.webui.tab.binding import Answer, on
from clipcap_ext.webui.tab.compat import QUICK, QUIET, able
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls
from clipcap_ext.webui.tab.folder.looking import look
from clipcap_ext.webui.tab.folder.pane import FolderPane
from clipcap_ext.webui.tab.folder.writing import undo, write
from clipcap_ext.webui.tab.header import Header


def wire_folder(context: Context, header: Header, controls: DecodingControls, pane: FolderPane) -> None:
    """Connect the pane; other settings have to be looked at anew."""

    def changed() -> Answer:
        return {pane.write: able(False), pane.looked: None}

    inputs = {"model": header.model, "task": pane.task, "decoding": controls.components}
    mine = {"mine": pane.mine}
    on(pane.look.click, partial(look, context, pane), {**inputs, **mine}, pane.outputs, **QUIET)
    looked = {"looked": pane.looked, **inputs, **mine}
    on(pane.write.click, partial(write, context, pane), looked, pane.outputs, **QUIET)
    on(pane.stop.click, Asker.stop, {"self": pane.mine}, **QUICK)
    folder, shown = {"folder": pane.task["folder"]}, [pane.status, pane.table]
    on(pane.undo.click, partial(undo, context, pane), folder, shown, **QUICK)
    for component in (*pane.task.values(), header.model, *controls.components.values()):
        on(component.change, changed, {}, [pane.write, pane.looked], **QUICK)
