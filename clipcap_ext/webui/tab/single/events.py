"""What happens in the Single pane. Each handler gets values and gives values; none keeps anything of its
own."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from clipcap_ext.service.asker import Asker
from clipcap_ext.service.tokens import count_tokens
from clipcap_ext.webui.history import remembered, undone
from clipcap_ext.webui.prompts import infotext_of, prompt_of
from clipcap_ext.webui.shown import Beside, Shown
from clipcap_ext.webui.tab.binding import Answer, follow, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, QUIET, Unreadable, able, marked
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls
from clipcap_ext.webui.tab.header import Header, facts_line, usable
from clipcap_ext.webui.tab.markup import token_count
from clipcap_ext.webui.tab.single.judging import nothing_found, wire_judging
from clipcap_ext.webui.tab.single.keywords import keyword_updates
from clipcap_ext.webui.tab.single.pane import CaptionBox, SinglePane
from clipcap_ext.webui.tab.single.run import begin_word, caption_picture, picture_status
from clipcap_ext.webui.tab.single.sending import wire_send


def wire_single(context: Context, header: Header, controls: DecodingControls, pane: SinglePane) -> None:
    """Connect the pane."""
    model = {"model": header.model}
    picture = {
        "image": pane.picture, "shown": pane.shown, "caption": pane.caption.text,
        "history": pane.caption.history, "beside": pane.marks.told,
    }  # fmt: skip
    asked = {**model, **picture, "decoding": controls.components, "mine": pane.mine, "others": pane.others}
    _wire_run(context, header, pane, asked)

    def begin(model: str | None) -> Answer:
        others = gr.update(choices=usable(context))
        return {pane.begin: gr.update(value=begin_word(context, model)), pane.others: others}

    follow(header.model.change, begin, model, [pane.begin, pane.others])
    _wire_picture(context, pane, picture)
    _wire_caption(context, pane)
    judged = {**model, "image": pane.picture, "shown": pane.shown, "caption": pane.caption.text}
    wire_judging(context, pane.judging, {**judged, "mine": pane.mine})
    if pane.send is not None:
        said = {"caption": pane.caption.text, "keywords": pane.keywords.text}
        wire_send(context, pane.send, said, pane.picture, pane.status)


def _wire_picture(context: Context, pane: SinglePane, inputs: dict[str, Any]) -> None:
    changed = partial(picture_changed, context, pane)
    outputs = [*pane.outputs, pane.found.box, pane.found.text]
    page_only(pane.picture.change, "clipcap_pictured", {"image": pane.picture})
    follow(pane.picture.change, changed, inputs, outputs, "clipcap_beside")
    on(pane.marks.settle.click, changed, inputs, outputs, "clipcap_beside", **QUICK)


def _wire_run(context: Context, header: Header, pane: SinglePane, inputs: dict[str, Any]) -> None:
    def model_is_here(model: str | None) -> Answer:
        begin = gr.update(value=begin_word(context, model))
        return {pane.begin: begin, header.facts: facts_line(context, model)}

    def stop(mine: Asker) -> None:
        mine.stop()
        context.downloads.leave(mine)

    run, model = partial(caption_picture, context, pane), {"model": header.model}
    edited = {**inputs, "keywords": pane.keywords.text}
    for ended in (
        begun := on(pane.begin.click, run, inputs, pane.outputs, "clipcap_begun", **QUIET),
        on(pane.keywords.again.click, run, edited, pane.outputs, "clipcap_beside", **QUIET),
    ):
        follow(ended.then, model_is_here, model, [pane.begin, header.facts])  # one may be chosen now
    page_only(begun.then, "clipcap_ended")
    on(pane.stop.click, stop, {"mine": pane.mine}, **QUICK)


def picture_changed(
    context: Context, pane: SinglePane, image: Any, shown: Shown, caption: str | None, history: list[str],
    beside: str | None = None,
) -> Answer:  # fmt: skip
    """Another picture, one that cannot be read, or none: status, the caption button, the prompt it carries,
    and what was said of the one before.

    That is cleared, as it would be sent with the wrong picture; the caption can be had back with Undo.
    """
    status, told = picture_status(context, image), Beside.told(beside)
    readable = image is not None and not isinstance(image, Unreadable)
    another = shown.put(image if readable else None, status, told.picture) or told.stale
    prompt = prompt_of(infotext_of(image)) if readable else ""
    prompt_found = {pane.found.box: gr.update(visible=bool(prompt)), pane.found.text: prompt}
    answer = {**pane.says(shown.status, told.picture), pane.begin: able(readable), **prompt_found}
    if not another:
        return answer
    return {**answer, **_cleared(pane, caption, history), pane.judging.found: nothing_found(context.words)}


def _cleared(pane: SinglePane, caption: str | None, history: list[str]) -> Answer:
    box = pane.caption
    cleared = {box.text: "", box.candidates: gr.update(choices=[], value=None)}
    of_none = {pane.marks.caption: marked(""), **keyword_updates(pane.keywords, ())}
    return {**cleared, **of_none, box.history: remembered(history, caption)}


def _wire_caption(context: Context, pane: SinglePane) -> None:
    box = pane.caption
    sends = [] if pane.send is None else pane.send.buttons
    both = {"text": box.text, "history": box.history}
    take, boxes = partial(taken, box), [box.text, box.history]

    def changed(text: str | None, history: list[str]) -> Answer:
        text = text or ""
        return {
            box.undo: able(any(earlier != text for earlier in history)),
            **dict.fromkeys([box.copy, *sends], able(bool(text.strip()))),
        }

    def counted(text: str | None) -> Answer:
        return {box.tokens: token_count(context.words, count_tokens(text or ""))}

    def undo(text: str | None, history: list[str]) -> Answer:
        return dict(zip(boxes, undone(history, text), strict=True))

    follow(box.text.change, changed, both, [box.undo, box.copy, *sends])
    follow(box.text.change, counted, {"text": box.text}, [box.tokens])  # the first count loads a vocabulary
    follow(box.candidates.input, take, {"chosen": box.candidates, **both}, boxes)
    on(box.undo.click, undo, both, boxes, **QUICK)
    on(pane.found.use.click, take, {"chosen": pane.found.text, **both}, boxes, **QUICK)
    page_only(box.text.change, "({text}) => clipcap_worded(text)", {"text": box.text})
    on(
        pane.judging.drop.click,
        take,
        {"chosen": pane.judging.less, **both},
        boxes,
        "clipcap_dropped",
        **QUICK,
    )
    page_only(box.copy.click, "({text}) => clipcap_copy(text)", {"text": box.text})


def taken(box: CaptionBox, chosen: str | None, text: str | None, history: list[str]) -> Answer:
    """`chosen` in the box, what stood there in the history."""
    if not chosen or chosen == text:
        return {}
    return {box.text: chosen, box.history: remembered(history, text)}
