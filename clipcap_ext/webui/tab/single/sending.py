"""Sending a caption, and the picture if wanted, to the host's own tabs. It writes their prompt box and
nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr

from clipcap_ext.webui.prompts import merged_prompt
from clipcap_ext.webui.tab.compat import QUICK, Unreadable, page_only
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.single.pane import SinglePane


def wire_send(context: Context, pane: SinglePane) -> None:
    """Connect each target's button, and the one that takes the last sending back."""
    if not pane.send:
        return
    parts = context.components
    before = gr.State({})  # target -> its prompt before the last sending
    prompts = [parts.prompts[target] for target in pane.send]
    for target, button in pane.send.items():
        with_picture = target in parts.pictures
        sizes = list(parts.sizes.get(target, ())) if with_picture else []
        outputs = [parts.prompts[target], before, pane.unsend]
        outputs += [parts.pictures[target], *sizes] if with_picture else []
        inputs = [pane.caption, parts.prompts[target], pane.mode, pane.with_picture, pane.picture]
        sent = button.click(_sender(target, with_picture, bool(sizes)), inputs, outputs, **QUICK)
        page_only(sent.then, f"() => clipcap_show('{target}')")
    pane.unsend.click(
        _take_back(list(pane.send)), [before, *prompts], [*prompts, before, pane.unsend], **QUICK
    )


def _sender(target: str, takes_picture: bool, takes_size: bool) -> Any:
    def send(caption: str | None, prompt: str | None, mode: str, with_picture: bool, image: Any) -> list[Any]:
        values = [
            merged_prompt(prompt or "", caption or "", mode),
            {target: prompt or ""},
            gr.update(interactive=True),
        ]
        if not takes_picture:
            return values
        if not with_picture or image is None or isinstance(image, Unreadable):
            return [*values, gr.update(), *([gr.update(), gr.update()] if takes_size else [])]
        return [*values, image, *(image.size if takes_size else ())]

    return send


def _take_back(targets: list[str]) -> Any:
    def take_back(before: dict[str, str], *prompts: str) -> list[Any]:
        kept = [before.get(target, prompt) for target, prompt in zip(targets, prompts, strict=True)]
        return [*kept, {}, gr.update(interactive=False)]

    return take_back
