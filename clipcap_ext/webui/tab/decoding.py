"""The decoding controls, shared by all panes: each acts or is greyed out. What they mean is in
webui/decoding_controls.py, and what there is of them in DecodingOptions' table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.caption import TASKS, DecodingOptions
from clipcap_ext.decoding_option import STRATEGIES, Control
from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.webui.decoding_controls import STRATEGY, DecodingForm, rows
from clipcap_ext.webui.tab.binding import Answer, follow, on
from clipcap_ext.webui.tab.compat import QUICK, forgotten, listed
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.words import Words

STRATEGY_CONTROL = Control(
    "Strategy", "Greedy is fastest; beams search; sampling varies.",
    names=dict(zip(STRATEGIES, ("Greedy", "Beam search", "Sampling"), strict=True)),
)  # fmt: skip


@dataclass(frozen=True)
class DecodingControls:
    """The components by DecodingForm's names, in its order, and the button that gives the model's own choice
    back."""

    components: dict[str, Any]
    reset: gr.Button


def build_control(words: Words, name: str, control: Control, start: Any) -> Any:
    """A radio with translated choices over untranslated values, a list that takes other words, too, a slider,
    or a box for a number."""
    looks = {"label": words(control.label), "info": words(control.info), "elem_id": elem_id(name)}
    if control.names:
        choices = [(words(text), value) for value, text in control.names.items()]
        if control.own_words:
            return gr.Dropdown(listed(choices), value=start, allow_custom_value=True, **looks)
        return gr.Radio(choices, value=start, **looks)
    if control.low is None or control.high is None:
        return gr.Number(start, precision=0, **looks)
    return gr.Slider(control.low, control.high, start, step=control.step, **looks)


def build_decoding(context: Context) -> DecodingControls:
    """Lay the controls out, folded away."""
    words, start = context.words, DecodingForm.start().values
    controls = {name: option.control for name, option in DecodingOptions.table().items()}
    controls[STRATEGY] = STRATEGY_CONTROL
    components: dict[str, Any] = {}
    with gr.Accordion(words("Decoding"), open=False, elem_id=elem_id("decoding")):
        for names in rows():
            with gr.Row():
                for name in names:
                    components[name] = forgotten(build_control(words, name, controls[name], start[name]))
        reset = gr.Button(words("Back to the model's own"), elem_id=elem_id("reset"), size="sm")
    return DecodingControls(components, reset)


def form_updates(controls: DecodingControls, form: DecodingForm, with_values: bool = True) -> Answer:
    """One update a control: its value, and whether it can act."""
    acting = form.acting()
    return {
        controls.components[name]: gr.update(
            interactive=name in acting, **({"value": value} if with_values else {})
        )
        for name, value in form.values.items()
    }


def wire_decoding(context: Context, model: Any, controls: DecodingControls) -> None:
    """Grey out what cannot act; choosing a model, or the button, brings that model's own best decoding."""
    components = controls.components

    def refresh(model: str | None, decoding: Mapping[str, Any]) -> Answer:
        return form_updates(controls, chosen_form(context, model, decoding), with_values=False)

    def own(model: str | None) -> Answer:
        return form_updates(controls, model_form(context, model))

    def length(task: str | None, longest: float) -> Answer:
        return fitting_length(controls, task, longest)

    task = {"task": components["task"], "longest": components["max_new_tokens"]}
    on(components["task"].change, length, task, [components["max_new_tokens"]], **QUICK)
    asked = {"model": model, "decoding": components}
    for name in (STRATEGY, "num_candidates", "num_beams"):
        follow(components[name].change, refresh, asked, components.values())
    follow(model.input, own, {"model": model}, components.values())
    on(controls.reset.click, own, {"model": model}, components.values(), **QUICK)


def fitting_length(controls: DecodingControls, task: str | None, longest: float) -> Answer:
    """How long a caption of another task may be, unless somebody has moved that control."""
    usual = {DecodingOptions.longest_for(one) for one in TASKS} | {
        DecodingForm.start().values["max_new_tokens"]
    }
    fitting = DecodingOptions.longest_for(task or "sentence")
    return {controls.components["max_new_tokens"]: fitting} if longest in usual - {fitting} else {}


def model_form(context: Context, name: str | None) -> DecodingForm:
    """The form of a model's own best decoding, the plain default for one that cannot be read."""
    entry = _usable(context, name)
    if entry is None:
        return DecodingForm.start()
    return DecodingForm.of(context.service.default_options(entry.name), entry.lacking)


def chosen_form(context: Context, model: str | None, decoding: Mapping[str, Any]) -> DecodingForm:
    """What the controls hold, for the model that is chosen: without what its kind lacks."""
    return DecodingForm.of_values(decoding, lacking_of(context, model))


def lacking_of(context: Context, model: str | None) -> frozenset[str]:
    """The options that the kind of the chosen model does not have."""
    entry = _usable(context, model)
    return frozenset(entry.lacking) if entry is not None else frozenset()


def _usable(context: Context, name: str | None) -> ModelEntry | None:
    entries = {entry.name: entry for entry in context.service.models() if entry.config is not None}
    return entries.get(name) if name is not None else None
