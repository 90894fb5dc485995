"""The Single pane's layout: a picture on the left, its caption and what to do with it on the right. No
events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.service.asker import Asker
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import (
    able,
    forgotten,
    hidden_button,
    hidden_mark,
    hidden_text,
    marked,
    picture,
)  # fmt: skip
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import state, token_count
from clipcap_ext.webui.tab.single.judging import JudgeBox, build_judging
from clipcap_ext.webui.tab.single.keywords import KeywordBox, build_keywords
from clipcap_ext.webui.tab.single.sending import SendControls, build_send
from clipcap_ext.webui.tab.single.several import build_others


@dataclass(frozen=True, kw_only=True)
class FoundPrompt:
    """The prompt that a picture brought with it, folded away."""

    box: gr.Accordion
    text: Any
    use: gr.Button


@dataclass(frozen=True, kw_only=True)
class CaptionBox:
    """The caption, which can be edited, and what belongs to it; `history` holds the texts before."""

    text: Any
    tokens: gr.HTML
    undo: gr.Button
    copy: gr.Button
    candidates: Any
    history: gr.State


@dataclass(frozen=True, kw_only=True)
class Marks:
    """By which the script tells what is of the picture shown: it fills `told` (see Beside), answers leave the
    marks of the status' and the caption's picture, and where one is wrong the script presses `settle`."""

    told: Any
    status: gr.HTML
    caption: gr.HTML
    settle: gr.Button


@dataclass(frozen=True, kw_only=True)
class SinglePane:
    """The pane's components; `send` is None without a host to send to."""

    picture: gr.Image
    shown: gr.State
    mine: gr.State
    marks: Marks
    found: FoundPrompt
    begin: gr.Button
    stop: gr.Button
    status: gr.HTML
    caption: CaptionBox
    others: Any
    judging: JudgeBox
    send: SendControls | None
    keywords: KeywordBox

    @property
    def outputs(self) -> list[Any]:
        """What a run shows."""
        parts = [self.caption.text, self.caption.candidates, self.caption.history]
        marks = [self.marks.status, self.marks.caption]
        return [
            self.status,
            self.begin,
            self.stop,
            *parts,
            *self.keywords.outputs,
            *marks,
            self.judging.found,
        ]

    def busy(self, status: str, mark: str) -> Answer:
        """A run goes on with the picture of that mark, and can be stopped."""
        return {**self.says(status, mark), self.begin: able(False), self.stop: able(True)}

    def idle(self, status: str, mark: str, readable: bool = True) -> Answer:
        """None goes on, and one can be begun if there is a readable picture."""
        return {**self.says(status, mark), self.begin: able(readable), self.stop: able(False)}

    def says(self, status: str, mark: str) -> Answer:
        """The status, and which picture it is of."""
        return {self.status: status, self.marks.status: marked(mark)}


def build_single(context: Context) -> SinglePane:
    """Lay the pane out, with room kept for what a caption brings, so that nothing moves when it comes."""
    words = context.words
    with gr.Row(elem_id=elem_id("single")):
        with gr.Column(scale=1, min_width=300):
            image = picture("image", label=words("Picture: drop, paste or upload"), height=400)
            found = _build_found(context)
        with gr.Column(scale=1, min_width=300):
            with gr.Row(elem_classes=["clipcap_tight"]):
                begin = gr.Button(
                    words("Caption"), variant="primary", interactive=False, elem_id=elem_id("run"), scale=3
                )
                stop = gr.Button(
                    words("Stop"), interactive=False, elem_id=elem_id("stop"), scale=1, min_width=80
                )
            nothing = state("idle", words("No picture yet: drop, paste or upload one."))
            status = gr.HTML(nothing, elem_id=elem_id("status"))
            marks = _build_marks()
            hidden_mark("reading", words("Reading the picture"))
            caption = _build_caption(context)
            others = build_others(context)
            send = build_send(context)
            judging = build_judging(context)
            keywords = build_keywords(context)
    return SinglePane(
        picture=image, shown=gr.State(Shown()), mine=gr.State(Asker()), marks=marks, found=found,
        begin=begin, stop=stop, status=status, caption=caption, others=others,
        judging=judging, send=send, keywords=keywords,
    )  # fmt: skip


def _build_marks() -> Marks:
    return Marks(
        told=hidden_text("beside"), status=hidden_mark("status_of"), caption=hidden_mark("caption_of"),
        settle=hidden_button("settle"),
    )  # fmt: skip


def _build_found(context: Context) -> FoundPrompt:
    words = context.words
    with gr.Accordion(
        words("Prompt found in this picture"), visible=False, open=False, elem_id=elem_id("found_fold")
    ) as box:
        text = gr.Textbox(
            label=words("Prompt"), lines=3, max_lines=8, interactive=False, elem_id=elem_id("found")
        )
        use = gr.Button(words("Use as caption"), size="sm", elem_id=elem_id("use_found"))
    return FoundPrompt(box=box, text=forgotten(text), use=use)


def _build_caption(context: Context) -> CaptionBox:
    words = context.words
    text = gr.Textbox(
        label=words("Caption text"), lines=3, max_lines=3, elem_id=elem_id("caption"),
        placeholder=words("The caption appears here; you can edit it."),
    )  # fmt: skip
    with gr.Row(elem_classes=["clipcap_tight", "clipcap_under"]):
        tokens = gr.HTML(token_count(words, 0), elem_id=elem_id("tokens"))
        undo = gr.Button(words("Undo"), interactive=False, size="sm", elem_id=elem_id("undo"), min_width=70)
        copy = gr.Button(words("Copy"), interactive=False, size="sm", elem_id=elem_id("copy"), min_width=70)
    candidates = gr.Radio(
        [], label=words("Candidates"),
        info=words(
            "Best first: similarity to the picture, a score, or in % how likely its words are; click one."
        ),
        elem_id=elem_id("candidates"), elem_classes=["clipcap_candidates"],
    )  # fmt: skip
    return CaptionBox(
        text=forgotten(text), tokens=tokens, undo=undo, copy=copy, candidates=forgotten(candidates),
        history=gr.State([]),
    )  # fmt: skip
