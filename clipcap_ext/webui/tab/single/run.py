"""One run of the Single pane: fetch the model if it is not here, caption, say what goes on. It wires
nothing."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.errors import Cancelled, CaptionError
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.doubt_words import REASONS, reason_numbers
from clipcap_ext.service.runs import Run
from clipcap_ext.service.side_by_side import SideBySide
from clipcap_ext.service.work import Result
from clipcap_ext.webui.history import remembered
from clipcap_ext.webui.shown import Begun, Beside, Shown
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import Unreadable, marked
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import chosen_form
from clipcap_ext.webui.tab.downloads import bar, problem_of
from clipcap_ext.webui.tab.header import to_download
from clipcap_ext.webui.tab.markup import failure, progress, state
from clipcap_ext.webui.tab.single.keywords import guess_again, guesses_from_keywords, keyword_updates
from clipcap_ext.webui.tab.single.pane import SinglePane
from clipcap_ext.webui.tab.single.several import (
    asked_too,
    begin_several,
    caption_above,
    result_of_first,
    side_by_side_choices,
)

if TYPE_CHECKING:
    from PIL.Image import Image


def begin_word(context: Context, model: str | None) -> str:
    """What the button that begins a run says."""
    return context.words("Download and caption" if to_download(context, model) else "Caption")


def caption_picture(
    context: Context, pane: SinglePane, image: Any, shown: Shown, model: str | None, caption: str | None,
    history: list[str], decoding: Mapping[str, Any], mine: Asker, beside: str | None = None,
    keywords: str | None = None, others: Sequence[str] | None = None,
) -> Iterator[Answer]:  # fmt: skip
    """Caption one picture, saying what goes on meanwhile; from `keywords` alone where they are given.

    If another picture is put in meanwhile, what is said of this one is dropped: it would stand beside the
    wrong one. `beside` is what the page's script tells, for a Beside.
    """
    mark = Beside.told(beside).picture
    readable = image is not None and not isinstance(image, Unreadable)
    if not readable or model is None:
        no_model = state("failed", context.words("No model is chosen."))
        yield pane.idle(picture_status(context, image) if model else no_model, mark, readable)
        return
    options, begun = chosen_form(context, model, decoding).options(), Begun.now(shown, image)
    if to_download(context, model):
        problem = yield from fetch(context, pane, model, mine, mark)
        if problem or begun.replaced:
            yield dropped(pane, shown) if begun.replaced else pane.idle(problem, mark)
            return
    asked = asked_too(context, model, others) if keywords is None else []
    run = mine.own(
        begin_several(context, image, model, options, asked)
        if asked
        else begin(context, image, model, options, keywords)
    )
    for _ in run.watch(lambda: begun.replaced):
        if begun.replaced:
            yield dropped(pane, shown)
            return
        yield pane.busy(progress(context.words, run, counted=False), mark)
    if run.error is not None:
        answer = pane.idle(ending(context, run.error), mark)
    else:
        answer = {**shown_of(context, pane, run.value, options.seed, mark), **kept(pane, caption, history)}
    begun.ended(answer[pane.status])
    yield answer


def begin(context: Context, image: Image, model: str, options: DecodingOptions, keywords: str | None) -> Run:
    """The work in a thread; its value is a Result."""
    if keywords is not None:
        return guess_again(context, image, model, options, keywords)

    def work(run: Run) -> Result:
        return context.service.caption(
            [image], model, options, on_progress=run.set_stage, score=True, stop=run.stopping
        )

    return Run(work)


def dropped(pane: SinglePane, shown: Shown) -> Answer:
    """The picture was replaced: what is said of the one that is there now stays."""
    return pane.idle(shown.status, shown.mark, readable=bool(shown.key))


def ending(context: Context, error: BaseException) -> str:
    """What to say of a run that gave no caption."""
    if isinstance(error, Cancelled):
        return state("stopped", context.words("Stopped."))
    return failure(context.words, error)


def shown_of(
    context: Context, pane: SinglePane, value: Result | SideBySide, seed: int | None, mark: str
) -> Answer:
    """What a run of the picture of that mark gave: status, caption, candidates and keywords."""
    if isinstance(value, SideBySide):
        result, text, caption = result_of_first(value), value.contenders[0].text, caption_above(value)
        choices = side_by_side_choices(value)
    else:
        result, caption = value, value.captions[0]
        text = plain_caption(caption.text)
        choices = candidate_choices(caption)
    box, status = pane.caption, result_status(context, result, seed)
    doubted = "clipcap_doubted" if result.captions[0].doubt is not None else ""
    shown = {box.text: text, box.candidates: choices, pane.marks.caption: marked(mark, doubted)}
    guesses = bool(caption.keywords) and guesses_from_keywords(context, caption.model)
    seen = keyword_updates(pane.keywords, caption.keywords, guesses)
    return {**pane.idle(status, mark), **shown, **seen}


def kept(pane: SinglePane, before: str | None, history: list[str]) -> Answer:
    """What stood in the box before, for Undo."""
    return {pane.caption.history: remembered(history, before)}


def fetch(
    context: Context, pane: SinglePane, model: str, mine: Asker, mark: str
) -> Generator[Answer, None, str]:
    """Download what `model` lacks, yielding the moving bar; returns what to say if it is not here, else
    nothing."""
    try:
        run = context.downloads.start(model, mine)
    except CaptionError as error:
        return failure(context.words, error)
    for _ in run.watch(lambda: context.downloads.told(mine)):
        if context.downloads.goes_on_without(mine):  # stopped here, while another page waits for it
            return state("stopped", context.words("Stopped."))
        yield pane.busy(bar(context.words, context.downloads), mark)
    return problem_of(context.words, run)


def picture_status(context: Context, image: Any) -> str:
    """What is to be said of a picture that was just put in."""
    words = context.words
    if image is None:
        return state("idle", words("No picture yet: drop, paste or upload one."))
    if isinstance(image, Unreadable):
        text = words("Failed:") + " " + words("this file is no picture that can be read.")
        return state("failed", text, image.reason)
    return state("idle", words("Ready: press Caption, or Ctrl+Enter."))


def result_status(context: Context, result: Result, seed: int | None) -> str:
    """A tick and the result's line, or that the model is not sure, and why."""
    words, doubt = context.words, result.captions[0].doubt
    line = result_line(context, result, seed)
    if doubt is None:
        return state("done", line)
    reason = words(REASONS[doubt.measure], **reason_numbers(doubt))
    return state("unsure", f"{words('Not sure')}: {reason} · {line}")


def result_line(context: Context, result: Result, seed: int | None) -> str:
    """`tiny-flickr8k · cpu · fp32 · 84 ms`, and the seed where one was used."""
    parts = [result.model, result.device, result.dtype, f"{result.milliseconds:.0f} ms"]
    if seed is not None:
        parts.append(context.words("seed {seed}", seed=seed))
    return " · ".join(parts)


def candidate_choices(caption: Caption) -> Any:
    """The radio's new choices, best first; the script draws a bar from the number before each."""
    texts = [plain_caption(candidate.text) for candidate in caption.candidates]
    numbers = candidate_numbers(caption.candidates)
    choices = [(f"{number} {text}".strip(), text) for number, text in zip(numbers, texts, strict=True)]
    return gr.update(choices=choices, value=choices[0][1] if choices else None)


def candidate_numbers(candidates: Sequence[Candidate]) -> list[str]:
    """What the candidates are in order of: `0.31`, their score or similarity, or `42%`, their words' mean
    likelihood; blank where they are in order of none."""
    likelihoods = [100 * math.exp(candidate.avg_logprob) for candidate in candidates]
    for measures in ([one.score for one in candidates], [one.similarity for one in candidates]):
        known = [measure for measure in measures if measure is not None]
        if len(known) == len(candidates) and known == sorted(known, reverse=True):
            return [f"{measure:.2f}" for measure in known]
    if likelihoods == sorted(likelihoods, reverse=True):
        return [f"{likelihood:.0f}%" for likelihood in likelihoods]
    return [""] * len(candidates)
