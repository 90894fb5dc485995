"""The caption in the box, whoever wrote it, word by word: what the picture speaks against is marked, and a
click drops a word. In the Single pane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from clipcap_ext.service.asker import Asker
from clipcap_ext.service.judging import BUNDLED_JUDGE, Judged
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.shown import Begun, Shown
from clipcap_ext.webui.tab.binding import Answer, on, page_only
from clipcap_ext.webui.tab.compat import QUIET, Unreadable, hidden_button, hidden_text
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import to_download
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import failure, progress, state
from clipcap_ext.webui.words import Words

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcap_ext.engine.judging.judgement import Judgement, WordEvidence


@dataclass(frozen=True, kw_only=True)
class JudgeBox:
    """The fold: what was found, and the button that looks. The script presses `drop` when a word was clicked
    and puts into `less` what is left of the caption."""

    found: gr.HTML
    check: gr.Button
    drop: gr.Button
    less: Any


def build_judging(context: Context) -> JudgeBox:
    """Lay it out, closed."""
    words = context.words
    drop, less = hidden_button("drop"), hidden_text("less")
    with gr.Accordion(words("Is each word in the picture?"), open=False, elem_id=elem_id("judged_fold")):
        found = gr.HTML(nothing_found(words), elem_id=elem_id("judged"))
        check = gr.Button(words("Check the words"), size="sm", elem_id=elem_id("check"))
    return JudgeBox(found=found, check=check, drop=drop, less=less)


def nothing_found(words: Words) -> str:
    """What the fold shows before anything was judged."""
    return state("idle", words("For any caption in the box, yours too. A click on a word drops it."))


def wire_judging(context: Context, box: JudgeBox, inputs: dict[str, Any]) -> None:
    """Connect the button; `inputs` are judge_words' own. The script presses it, too, while the fold is open
    and another caption is in the box."""
    checked = on(box.check.click, partial(judge_words, context, box), inputs, [box.found], **QUIET)
    page_only(checked.then, "clipcap_checked")


def judge_words(
    context: Context,
    box: JudgeBox,
    image: Any,
    shown: Shown,
    model: str | None,
    caption: str | None,
    mine: Asker,
) -> Iterator[Answer]:
    """Judge what is in the box by the picture; nothing is said of a picture that was replaced meanwhile."""
    text = (caption or "").strip()
    if image is None or isinstance(image, Unreadable) or not text:
        yield {box.found: nothing_found(context.words)}
        return
    begun, run = Begun.now(shown, image), mine.own(begin(context, image, model, text))
    for _ in run.watch(lambda: begun.replaced):
        if begun.replaced:
            yield {box.found: nothing_found(context.words)}
            return
        yield {box.found: progress(context.words, run, counted=False)}
    if run.error is not None:
        yield {box.found: failure(context.words, run.error)}
        return
    judged: Judged = run.value
    yield {box.found: judged_html(context.words, judged.judgements[0], judged.judge, caption or "")}


def begin(context: Context, image: Image, model: str | None, text: str) -> Run:
    """The work in a thread; its value is Judged. A model that is not here yet judges by the bundled CLIP."""
    judge = model if model is not None and not to_download(context, model) else BUNDLED_JUDGE

    def work(run: Run) -> Judged:
        asked = context.words("Judging"), 1, judge, run.set_stage, run.stopping
        with context.service.work(*asked) as work:
            return work.judge(image, [text])

    return Run(work)


def judged_html(words: Words, judgement: Judgement, judge: str, caption: str) -> str:
    """The caption with a button for each word of meaning; the script compares `caption` with the box."""
    best = max((word.gain for word in judgement.words), default=0.0)
    pieces, end = [], 0
    for word in judgement.words:
        pieces.append(escape(judgement.text[end : word.start]))
        pieces.append(_word(words, word, best))
        end = word.end
    pieces.append(escape(judgement.text[end:]))
    facts = [
        words("similarity {value}", value=f"{judgement.similarity:.2f}"),
        words("judged by {name}", name=judge),
    ]
    marked = words("Marked: the caption is nearer to the picture without it. A hint, not a verdict.")
    told = f"<br>{escape(marked)}" if judgement.unsupported else ""
    return (
        f'<div class="clipcap_judged" data-clipcap-of="{escape(caption)}"><p>{"".join(pieces)}</p>'
        f'<p class="clipcap_facts">{escape(" · ".join(facts))}{told}</p></div>'
    )


def _word(words: Words, word: WordEvidence, best: float) -> str:
    """Its bar is what it gains the caption, relative to the best word."""
    width = 100 * max(word.gain, 0) / best if best > 0 else 0
    kind = "clipcap_chip clipcap_against" if word.unsupported else "clipcap_chip"
    if not word.without:  # there is nothing to drop it from
        return f'<span class="{kind}" style="--clipcap-bar:{width:.0f}%">{escape(word.text)}</span>'
    title = words("Drop {word}", word=word.text) + f" ({word.gain:+.2f})"
    return (
        f'<button type="button" class="{kind}" data-clipcap-without="{escape(word.without)}" '
        f'title="{escape(title)}" style="--clipcap-bar:{width:.0f}%">{escape(word.text)}</button>'
    )
