"""What the model saw, for models that guess from keywords: drop some, add some, guess again. In the Single
pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from clipcap_ext.caption import DecodingOptions, Keyword
from clipcap_ext.engine.published.published_models import TAGGER
from clipcap_ext.engine.sbg.edit import KeywordEdit, split_keywords
from clipcap_ext.service.runs import Run
from clipcap_ext.service.work import Result
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class KeywordBox:
    """The folded part: bars to click, the keywords as text, and the button."""

    box: gr.Accordion
    chips: gr.HTML
    text: Any
    again: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """What `keyword_updates` fills."""
        return [self.box, self.chips, self.text, self.again]


def build_keywords(context: Context) -> KeywordBox:
    """Lay it out, unseen until a caption brings keywords."""
    words = context.words
    with gr.Accordion(words("What the model saw"), visible=False, open=True, elem_id=elem_id("saw")) as box:
        chips = gr.HTML("", elem_id=elem_id("chips"))
        text = gr.Textbox(
            label=words("Keywords"),
            info=words("Click one above to drop or add it, or type, with commas between."),
            elem_id=elem_id("keywords"),
        )  # fmt: skip
        again = gr.Button(words("Guess again"), size="sm", elem_id=elem_id("again"))
    return KeywordBox(box=box, chips=chips, text=forgotten(text), again=again)


def keyword_updates(box: KeywordBox, keywords: Sequence[Keyword], guesses: bool = True) -> Answer:
    """The part filled with a caption's keywords; without any, it is put away. guesses: the model can guess
    again from them."""
    chips = chips_of(keywords) if keywords else ""
    text = ", ".join(keyword.text for keyword in keywords)
    again = gr.update(visible=guesses)
    return {box.box: gr.update(visible=bool(keywords)), box.chips: chips, box.text: text, box.again: again}


def guesses_from_keywords(context: Context, model: str) -> bool:
    """Whether a model's keywords are what it guesses from, and not what a tagger says."""
    entry = next((one for one in context.service.models() if one.name == model), None)
    return entry is None or entry.config is None or entry.config.kind != TAGGER


def chips_of(keywords: Sequence[Keyword]) -> str:
    """A button a keyword, its bar relative to the best; the script moves its text in and out of the box."""
    best = max((keyword.similarity for keyword in keywords), default=0.0)
    parts = []
    for keyword in keywords:
        width = 100 * max(keyword.similarity, 0) / best if best > 0 else 0
        word, title = escape(keyword.text), f"{escape(keyword.facet)} {keyword.similarity:.2f}"
        parts.append(
            f'<button type="button" class="clipcap_chip" aria-pressed="true" data-clipcap-keyword="{word}" '
            f'title="{title}" style="--clipcap-bar:{width:.0f}%">{word}</button>'
        )
    return f'<div class="clipcap_chips">{"".join(parts)}</div>'


def guess_again(context: Context, image: Image, model: str, options: DecodingOptions, text: str) -> Run:
    """Caption from just these keywords; the run's value is a Result."""

    def work(run: Run) -> Result:
        edit = KeywordEdit(exactly=split_keywords(text))
        asked = context.words("Captioning"), 1, model, run.set_stage, run.stopping
        with context.service.work(*asked) as work:
            return work.guess(image, options, edit)

    return Run(work)
