"""What happens in the Single pane. Each handler gets values and gives values; none keeps anything of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from clipcap_ext.batch.wording import plain_caption
from clipcap_ext.caption import Candidate, Caption
from clipcap_ext.errors import Cancelled
from clipcap_ext.webui.history import remembered, undone
from clipcap_ext.webui.prompts import infotext_of, prompt_of
from clipcap_ext.webui.runs import Run
from clipcap_ext.webui.service import Result
from clipcap_ext.webui.shown import Begun, Shown
from clipcap_ext.webui.tab.compat import QUICK, QUIET, Unreadable, follow, page_only
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_of
from clipcap_ext.webui.tab.header import Header
from clipcap_ext.webui.tab.keywords import guess_again, keyword_updates
from clipcap_ext.webui.tab.markup import failure, progress, state, token_count
from clipcap_ext.webui.tab.send_events import wire_send
from clipcap_ext.webui.tab.single import SinglePane
from clipcap_ext.webui.tokens import count_tokens


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

    inputs = [pane.picture, pane.shown, header.model, pane.caption, pane.history, *controls.components]
    pane.caption_button.click(run, inputs, outputs, **QUIET)
    pane.keywords.again.click(again, [pane.keywords.text, *inputs], outputs, **QUIET)
    pane.stop.click(lambda: service.stop(), None, None, **QUICK)
    follow(
        pane.picture.change, lambda image, shown: picture_changed(context, image, shown), [pane.picture, pane.shown],
        [pane.status, pane.caption_button, pane.found_box, pane.found],
    )  # fmt: skip
    _wire_text(context, pane)
    wire_send(context, pane)


def caption_picture(
    context: Context, image: Any, shown: Shown, model: str | None, caption: str | None, history: list[str],
    values: tuple[Any, ...], keywords: str | None = None,
) -> Iterator[list[Any]]:  # fmt: skip
    """Caption one picture, saying what goes on meanwhile; from `keywords` alone where they are given.

    If another picture is put in meanwhile, what is said of this one is dropped: it would stand beside the wrong one.
    Yields status, two buttons, caption, candidates, history, and the three updates for the keywords.
    """
    words, same = context.words, gr.update()

    def closed(status: str) -> list[Any]:
        return [status, gr.update(interactive=True), gr.update(interactive=False), *[same] * 6]

    if image is None or isinstance(image, Unreadable) or model is None:
        problem = picture_status(context, image) if model else state("failed", words("No model is chosen."))
        yield closed(problem)
        return
    options, begun = form_of(values).options(), Begun.now(shown, image)

    def work(run: Run) -> Result:
        return context.service.caption([image], model, options, on_progress=run.set_stage, score=True)

    going = Run(work) if keywords is None else guess_again(context, image, model, options, keywords)
    for _ in going.watch():
        if begun.replaced:
            yield [shown.status, gr.update(interactive=bool(shown.key)), gr.update(interactive=False), *[same] * 6]
            return
        busy = progress(words, going, counted=False)
        yield [busy, gr.update(interactive=False), gr.update(interactive=True), *[same] * 6]
    if isinstance(going.error, Cancelled):
        yield closed(state("stopped", words("Stopped.")))
    elif going.error is not None:
        yield closed(failure(words, going.error))
    else:
        result: Result = going.value
        said = result.captions[0]
        done = closed(state("done", result_line(context, result, options.seed)))[:3]
        told = [plain_caption(said.text), candidate_choices(said), remembered(history, caption)]
        yield [*done, *told, *keyword_updates(said.keywords)]


def result_line(context: Context, result: Result, seed: int | None) -> str:
    """`tiny-flickr8k · cpu · fp32 · 84 ms`, and the seed where one was used."""
    parts = [result.model, result.device, result.dtype, f"{result.milliseconds:.0f} ms"]
    if seed is not None:
        parts.append(context.words("seed {seed}", seed=seed))
    return " · ".join(parts)


def candidate_choices(caption: Caption) -> Any:
    """The radio's new choices, best first; the script draws a bar from the number before each."""
    texts = [(plain_caption(one.text), one) for one in caption.candidates]
    choices = [(f"{_number(one)} {text}".strip(), text) for text, one in texts]
    return gr.update(choices=choices, value=choices[0][1] if choices else None)


def picture_status(context: Context, image: Any) -> str:
    """What is to be said of a picture that was just put in."""
    words = context.words
    if image is None:
        return state("idle", words("No picture yet: drop, paste or upload one."))
    if isinstance(image, Unreadable):
        text = words("Failed:") + " " + words("this file is no picture that can be read.")
        return state("failed", text, image.reason)
    return state("idle", words("Ready: press Caption, or Ctrl+Enter."))


def picture_changed(context: Context, image: Any, shown: Shown) -> list[Any]:
    """Another picture: status, the caption button, and the prompt the picture carries."""
    status = picture_status(context, image)
    readable = image is not None and not isinstance(image, Unreadable)
    shown.put(image if readable else None, status)
    prompt = prompt_of(infotext_of(image)) if readable else ""
    return [status, gr.update(interactive=readable), gr.update(visible=bool(prompt)), prompt]


def _number(candidate: Candidate) -> str:
    return "" if candidate.similarity is None else f"{candidate.similarity:.2f}"


def _wire_text(context: Context, pane: SinglePane) -> None:
    sends = list(pane.send.values())

    def changed(text: str | None, history: list[str]) -> list[Any]:
        text = text or ""
        filled = gr.update(interactive=bool(text.strip()))
        count = token_count(context.words, count_tokens(text))
        return [count, gr.update(interactive=any(one != text for one in history)), filled, *[filled for _ in sends]]

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
