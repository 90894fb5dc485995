"""Candidates of several models beside each other, in the order of one CLIP's similarity. In the Single
pane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.service.runs import Run
from clipcap_ext.service.side_by_side import SideBySide, side_by_side
from clipcap_ext.service.work import Result
from clipcap_ext.webui.tab.compat import forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import model_form
from clipcap_ext.webui.tab.header import usable
from clipcap_ext.webui.tab.ids import elem_id

if TYPE_CHECKING:
    from PIL.Image import Image


def build_others(context: Context) -> Any:
    """The choice of further models, folded away."""
    words = context.words
    with gr.Accordion(words("Ask other models, too"), open=False, elem_id=elem_id("others_fold")):
        others = gr.Dropdown(
            usable(context), value=[], multiselect=True, elem_id=elem_id("others"),
            label=words("Other models"),
            info=words("Their candidates beside those of the model above, the nearest to the picture first."),
        )  # fmt: skip
    return forgotten(others)


def asked_too(context: Context, model: str, others: Sequence[str] | None) -> list[str]:
    """Those of `others` that are here, but for `model` itself."""
    here = usable(context)
    return [name for name in others or () if name in here and name != model]


def begin_several(
    context: Context, image: Image, model: str, options: DecodingOptions, others: Sequence[str]
) -> Run:
    """Caption with `model` and `others` in a thread; the value is a SideBySide. The others decode as their
    own best, with further candidates."""
    chosen = {name: model_form(context, name).options() for name in others} | {model: options}

    def work(run: Run) -> SideBySide:
        return side_by_side(
            context.service, image, [model, *others], model, options=chosen, words=False,
            on_progress=run.set_stage, stop=run.stopping,
        )  # fmt: skip

    return Run(work)


def side_by_side_choices(seen: SideBySide) -> Any:
    """The radio's choices, each with its similarity and who said it."""
    choices = [
        (f"{one.judgement.similarity:.2f} {one.text} · {', '.join(one.models)}", one.text)
        for one in seen.contenders
    ]
    return gr.update(choices=choices, value=choices[0][1] if choices else None)


def caption_above(seen: SideBySide) -> Caption:
    """What the model above said: the keywords of others cannot be guessed from again."""
    return list(seen.results.values())[-1].captions[0]


def result_of_first(seen: SideBySide) -> Result:
    """The result of the model that said the nearest candidate."""
    return seen.results[seen.contenders[0].models[0]]
