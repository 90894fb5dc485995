"""The Single pane's layout: a picture on the left, its caption and what to do with it on the right. No
events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.webui.prompts import MODES
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.compat import forgotten, picture
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import state, token_count
from clipcap_ext.webui.tab.single.keywords import KeywordBox, build_keywords

TARGET_NAMES = {"txt2img": "txt2img", "img2img": "img2img", "inpaint": "inpaint"}


@dataclass(frozen=True)
class SinglePane:
    """The pane's components; `send` by target, all of it empty without a host to send to."""

    picture: gr.Image
    caption_button: gr.Button
    stop: gr.Button
    status: gr.HTML
    caption: Any
    tokens: gr.HTML
    undo: gr.Button
    copy: gr.Button
    candidates: Any
    history: gr.State
    shown: gr.State
    send: dict[str, gr.Button]
    unsend: gr.Button | None
    mode: Any
    with_picture: Any
    found_box: gr.Accordion
    found: Any
    use_found: gr.Button
    keywords: KeywordBox


def build_single(context: Context) -> SinglePane:
    """Lay the pane out, with room kept for what a caption brings, so that nothing moves when it comes."""
    words = context.words
    with gr.Row(elem_id=elem_id("single")):
        with gr.Column(scale=1, min_width=300):
            image = picture("image", label=words("Picture: drop, paste or upload"), height=400)
            with gr.Accordion(words("Prompt found in this picture"), visible=False, open=False) as found_box:
                found = gr.Textbox(
                    label=words("Prompt"), lines=3, max_lines=8, interactive=False, elem_id=elem_id("found")
                )
                use_found = gr.Button(words("Use as caption"), size="sm", elem_id=elem_id("use_found"))
        with gr.Column(scale=1, min_width=300):
            with gr.Row(elem_classes=["clipcap_tight"]):
                caption_button = gr.Button(
                    words("Caption"), variant="primary", interactive=False, elem_id=elem_id("run"), scale=3
                )
                stop = gr.Button(
                    words("Stop"), interactive=False, elem_id=elem_id("stop"), scale=1, min_width=80
                )
            nothing = state("idle", words("No picture yet: drop, paste or upload one."))
            status = gr.HTML(nothing, elem_id=elem_id("status"))
            caption = gr.Textbox(
                label=words("Caption"), lines=3, max_lines=6, elem_id=elem_id("caption"),
                placeholder=words("The caption appears here; you can edit it."),
            )  # fmt: skip
            with gr.Row(elem_classes=["clipcap_tight", "clipcap_under"]):
                tokens = gr.HTML(token_count(words, 0), elem_id=elem_id("tokens"))
                undo = gr.Button(
                    words("Undo"), interactive=False, size="sm", elem_id=elem_id("undo"), min_width=70
                )
                copy = gr.Button(
                    words("Copy"), interactive=False, size="sm", elem_id=elem_id("copy"), min_width=70
                )
            candidates = gr.Radio(
                [], label=words("Candidates"),
                info=words("Each with its similarity to the picture; a click takes it."),
                elem_id=elem_id("candidates"), elem_classes=["clipcap_candidates"],
            )  # fmt: skip
            send, unsend, mode, with_picture = _build_send(context)
            keywords = build_keywords(context)
    history, shown = gr.State([]), gr.State(Shown())
    for one in (caption, candidates, mode, with_picture, found):
        if one is not None:
            forgotten(one)
    return SinglePane(
        image, caption_button, stop, status, caption, tokens, undo, copy, candidates, history, shown, send,
        unsend, mode, with_picture, found_box, found, use_found, keywords,
    )  # fmt: skip


def _build_send(context: Context) -> tuple[dict[str, gr.Button], gr.Button | None, Any, Any]:
    words, parts = context.words, context.components
    targets = [target for target in context.host.send_targets if target in parts.prompts]
    if not targets:
        return {}, None, None, None
    with gr.Row(elem_classes=["clipcap_tight"], elem_id=elem_id("send")):
        send = {
            target: gr.Button(
                words("Send to {target}", target=TARGET_NAMES.get(target, target)), interactive=False,
                size="sm", elem_id=elem_id(f"send_{target}"), min_width=100,
            )
            for target in targets
        }  # fmt: skip
        unsend = gr.Button(
            words("Undo send"), interactive=False, size="sm", elem_id=elem_id("unsend"), min_width=80
        )
    with gr.Row(elem_classes=["clipcap_tight"]):
        names = dict(zip(MODES, ("Replace", "Append", "Prepend"), strict=True))
        choices = [(words(text), value) for value, text in names.items()]
        mode = gr.Radio(
            choices, value="replace", label=words("The prompt there"), elem_id=elem_id("send_mode")
        )
        with_picture = gr.Checkbox(
            True,
            label=words("With the picture"),
            interactive=bool(parts.pictures),
            elem_id=elem_id("with_picture"),
        )
    return send, unsend, mode, with_picture
