"""The decoding controls, shared by all panes: each acts or is greyed out. What they mean is in
webui/controls.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.webui.decoding_controls import MOST_CANDIDATES, STRATEGIES, DecodingForm
from clipcap_ext.webui.tab.compat import QUICK, follow, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.words import Words


@dataclass(frozen=True)
class DecodingControls:
    """The components, in DecodingForm's order, and the button that gives the model's own choice back."""

    components: tuple[Any, ...]
    reset: gr.Button


def slider(words: Words, name: str, label: str, low: float, high: float, step: float, info: str) -> Any:
    """A slider that starts at the form's default."""
    return gr.Slider(
        low,
        high,
        getattr(DecodingForm, name),
        step=step,
        label=words(label),
        info=words(info),
        elem_id=elem_id(name),
    )


def choice(words: Words, name: str, label: str, names: dict[str, str], info: str) -> Any:
    """A radio with translated choices over untranslated values."""
    choices = [(words(text), value) for value, text in names.items()]
    default = getattr(DecodingForm, name)
    return gr.Radio(choices, value=default, label=words(label), info=words(info), elem_id=elem_id(name))


def build_decoding(context: Context) -> DecodingControls:
    """Lay the controls out, folded away."""
    words = context.words
    strategies = dict(zip(STRATEGIES, ("Greedy", "Beam search", "Sampling"), strict=True))
    rankings = {"logprob": "Likelihood", "similarity": "Similarity to the picture"}
    with gr.Accordion(words("Decoding"), open=False, elem_id=elem_id("decoding")):
        with gr.Row():
            strategy = choice(
                words, "strategy", "Strategy", strategies, "Greedy is fastest; beams search; sampling varies."
            )
            candidates = slider(
                words, "num_candidates", "Candidates", 1, MOST_CANDIDATES, 1, "To choose from."
            )
            ranking = choice(
                words, "rank_by", "Order by", rankings, "What puts one candidate before another."
            )
        with gr.Row():
            beams = slider(words, "num_beams", "Beams", 2, 16, 1, "Width of the search.")
            penalty = slider(
                words, "length_penalty", "Length penalty", 0.0, 2.0, 0.1, "Above 1 favours long captions."
            )
            length = slider(words, "max_new_tokens", "Longest caption", 5, 100, 1, "In word pieces.")
            repeat = slider(
                words, "no_repeat_ngram_size", "No repeats of", 0, 5, 1, "Word pieces in a row; 0 is off."
            )
        with gr.Row():
            temperature = slider(
                words, "temperature", "Temperature", 0.1, 2.0, 0.05, "Below 1 is safer, above 1 is wilder."
            )
            top_p = slider(
                words, "top_p", "Top-p", 0.05, 1.0, 0.05, "Only the likeliest words up to this share."
            )
            top_k = slider(words, "top_k", "Top-k", 0, 100, 1, "Only the k likeliest words; 0 is all.")
            seed = gr.Number(
                DecodingForm.seed, precision=0, label=words("Seed"), elem_id=elem_id("seed"),
                info=words("The same seed gives the same caption; -1 draws one."),
            )  # fmt: skip
        reset = gr.Button(words("Back to the model's own"), elem_id=elem_id("reset"), size="sm")
    found = (strategy, candidates, ranking, beams, penalty, temperature, top_p, top_k, seed, length, repeat)
    return DecodingControls(tuple(forgotten(one) for one in found), reset)


def form_of(values: tuple[Any, ...]) -> DecodingForm:
    """The form from the controls' values."""
    return DecodingForm.of_values(dict(zip(DecodingForm.names(), values, strict=True)))


def form_updates(form: DecodingForm, with_values: bool = True) -> list[Any]:
    """One update a control: its value, and whether it can act."""
    acting, updates = form.acting(), []
    for name in DecodingForm.names():
        update: dict[str, Any] = {"interactive": name in acting}
        if with_values:
            update["value"] = getattr(form, name)
        updates.append(gr.update(**update))
    return updates


def wire_decoding(context: Context, model: Any, controls: DecodingControls) -> None:
    """Grey out what cannot act; choosing a model, or the button, brings that model's own best decoding."""
    components = list(controls.components)

    def refresh(*values: Any) -> list[Any]:
        return form_updates(form_of(values), with_values=False)

    def own(name: str) -> list[Any]:
        return form_updates(model_form(context, name))

    by_name = dict(zip(DecodingForm.names(), components, strict=True))
    for name in ("strategy", "num_candidates", "num_beams"):
        follow(by_name[name].change, refresh, components, components)
    follow(model.input, own, [model], components)
    controls.reset.click(own, [model], components, **QUICK)


def model_form(context: Context, name: str | None) -> DecodingForm:
    """The form of a model's own best decoding, the plain default for one that cannot be read."""
    entries = {entry.name: entry for entry in context.service.models() if entry.config is not None}
    if name not in entries:
        return DecodingForm()
    return DecodingForm.of(context.service.default_options(name))
