"""One run of the Single pane: fetch the model if it is not here, caption, say what goes on. It wires
nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import gradio as gr

from clipcap_ext.batch.wording import plain_caption
from clipcap_ext.caption import Candidate, Caption
from clipcap_ext.errors import Cancelled, CaptionError
from clipcap_ext.service.runs import Run
from clipcap_ext.service.work import Result
from clipcap_ext.webui.history import remembered
from clipcap_ext.webui.shown import Begun, Shown
from clipcap_ext.webui.tab.compat import Unreadable
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import form_of
from clipcap_ext.webui.tab.downloads import bar, problem_of
from clipcap_ext.webui.tab.header import to_download
from clipcap_ext.webui.tab.markup import failure, progress, state
from clipcap_ext.webui.tab.single.keywords import guess_again, keyword_updates


def begin_word(context: Context, model: str | None) -> str:
    """What the button that begins a run says."""
    return context.words("Download and caption" if to_download(context, model) else "Caption")


def caption_picture(
    context: Context, image: Any, shown: Shown, model: str | None, caption: str | None, history: list[str],
    values: tuple[Any, ...], keywords: str | None = None,
) -> Iterator[list[Any]]:  # fmt: skip
    """Caption one picture, saying what goes on meanwhile; from `keywords` alone where they are given.

    If another picture is put in meanwhile, what is said of this one is dropped: it would stand beside the
    wrong one. Yields status, two buttons, caption, candidates, history, and the three updates for the
    keywords.
    """
    words, same = context.words, gr.update()

    def busy(status: str) -> list[Any]:
        return [status, gr.update(interactive=False), gr.update(interactive=True), *[same] * 6]

    def closed(status: str, able: bool = True) -> list[Any]:
        return [status, gr.update(interactive=able), gr.update(interactive=False), *[same] * 6]

    def dropped() -> list[Any]:
        return closed(shown.status, bool(shown.key))

    if image is None or isinstance(image, Unreadable) or model is None:
        problem = picture_status(context, image) if model else state("failed", words("No model is chosen."))
        yield closed(problem)
        return
    options, begun = form_of(values).options(), Begun.now(shown, image)
    if to_download(context, model):
        problem = yield from fetch(context, model, busy)
        if problem or begun.replaced:
            yield closed(problem) if problem else dropped()
            return

    def work(run: Run) -> Result:
        return context.service.caption([image], model, options, on_progress=run.set_stage, score=True)

    going = Run(work) if keywords is None else guess_again(context, image, model, options, keywords)
    for _ in going.watch():
        if begun.replaced:
            yield dropped()
            return
        yield busy(progress(words, going, counted=False))
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


def fetch(context: Context, model: str, busy: Callable[[str], list[Any]]) -> Generator[list[Any], None, str]:
    """Download what `model` lacks, yielding the moving bar; returns what to say if it is not here, else
    nothing."""
    words = context.words
    try:
        run = context.downloads.start(model)
    except CaptionError as error:
        return failure(words, error)
    for _ in run.watch():
        yield busy(bar(words, context.downloads))
    return problem_of(words, run)


def picture_status(context: Context, image: Any) -> str:
    """What is to be said of a picture that was just put in."""
    words = context.words
    if image is None:
        return state("idle", words("No picture yet: drop, paste or upload one."))
    if isinstance(image, Unreadable):
        text = words("Failed:") + " " + words("this file is no picture that can be read.")
        return state("failed", text, image.reason)
    return state("idle", words("Ready: press Caption, or Ctrl+Enter."))


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


def _number(candidate: Candidate) -> str:
    return "" if candidate.similarity is None else f"{candidate.similarity:.2f}"
