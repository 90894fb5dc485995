"""What happens in the Single pane. Each handler gets values and gives values; none keeps anything of its
own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from clipcap_ext.service.tokens import count_tokens
from clipcap_ext.webui.history import remembered, undone
from clipcap_ext.webui.prompts import infotext_of, prompt_of
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.compat import QUICK, QUIET, Unreadable, follow, page_only
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls
from clipcap_ext.webui.tab.header import Header, facts_line
from clipcap_ext.webui.tab.markup import token_count
from clipcap_ext.webui.tab.single.keywords import keyword_updates
from clipcap_ext.webui.tab.single.pane import SinglePane
from clipcap_ext.webui.tab.single.run import begin_word, caption_picture, picture_status
from clipcap_ext.webui.tab.single.sending import wire_send


def wire_single(context: Context, header: Header, controls: DecodingControls, pane: SinglePane) -> None:
    """Connect the pane."""
    service = context.service
    outputs = [pane.status, pane.caption_button, pane.stop, pane.caption, pane.candidates, pane.history]
    outputs += pane.keywords.outputs

    def run(
        image: Any, shown: Shown, model: str | None, caption: str | None, history: list[str], *values: Any
    ) -> Iterator[list[Any]]:
        yield from caption_picture(context, image, shown, model, caption, history, values)

    def again(keywords: str, *values: Any) -> Iterator[list[Any]]:
        image, shown, model, caption, history, *decoding = values
        yield from caption_picture(context, image, shown, model, caption, history, tuple(decoding), keywords)

    def stop(model: str | None) -> None:
        service.stop()
        context.downloads.cancel(str(model))

    decoding = controls.components.values()
    inputs = [pane.picture, pane.shown, header.model, pane.caption, pane.history, *decoding]
    ends = [
        pane.caption_button.click(run, inputs, outputs, **QUIET),
        pane.keywords.again.click(again, [pane.keywords.text, *inputs], outputs, **QUIET),
    ]
    for end in ends:  # the model may be here now
        end.then(
            lambda model: [gr.update(value=begin_word(context, model)), facts_line(context, model)],
            [header.model], [pane.caption_button, header.facts], **QUICK,
        )  # fmt: skip
    pane.stop.click(stop, [header.model], None, **QUICK)
    follow(
        header.model.change, lambda model: gr.update(value=begin_word(context, model)), [header.model],
        [pane.caption_button],
    )  # fmt: skip
    follow(
        pane.picture.change, lambda *values: picture_changed(context, *values),
        [pane.picture, pane.shown, pane.caption, pane.history],
        [
            pane.status, pane.caption_button, pane.found_box, pane.found, pane.caption, pane.candidates,
            pane.history, *pane.keywords.outputs,
        ],
    )  # fmt: skip
    _wire_text(context, pane)
    wire_send(context, pane)


def picture_changed(
    context: Context, image: Any, shown: Shown, caption: str | None, history: list[str]
) -> list[Any]:  # fmt: skip
    """Another picture: status, the caption button, the prompt it carries, and what was said of the one
    before.

    That is cleared, as it would be sent with the wrong picture; the caption can be had back with Undo.
    """
    status = picture_status(context, image)
    readable = image is not None and not isinstance(image, Unreadable)
    another = shown.put(image if readable else None, status)
    prompt = prompt_of(infotext_of(image)) if readable else ""
    said: list[Any] = [gr.update()] * 6
    if another:
        said = ["", gr.update(choices=[], value=None), remembered(history, caption), *keyword_updates(())]
    return [status, gr.update(interactive=readable), gr.update(visible=bool(prompt)), prompt, *said]


def _wire_text(context: Context, pane: SinglePane) -> None:
    sends = list(pane.send.values())

    def changed(text: str | None, history: list[str]) -> list[Any]:
        text = text or ""
        filled = gr.update(interactive=bool(text.strip()))
        count = token_count(context.words, count_tokens(text))
        return [
            count,
            gr.update(interactive=any(one != text for one in history)),
            filled,
            *[filled for _ in sends],
        ]

    def pick(chosen: str | None, text: str | None, history: list[str]) -> list[Any]:
        return [chosen, remembered(history, text)] if chosen and chosen != text else [text, history]

    def undo(text: str | None, history: list[str]) -> list[Any]:
        return list(undone(history, text))

    both = [pane.caption, pane.history]
    follow(pane.caption.change, changed, both, [pane.tokens, pane.undo, pane.copy, *sends])
    follow(pane.candidates.input, pick, [pane.candidates, *both], both)
    pane.undo.click(undo, both, both, **QUICK)
    pane.use_found.click(pick, [pane.found, *both], both, **QUICK)
    page_only(pane.copy.click, "(text) => clipcap_copy(text)", [pane.caption])
