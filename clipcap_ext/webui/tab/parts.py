"""Gradio pieces that stand outside our tab (two switches, the settings' components) or in two of its panes.
No event of the tab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from clipcap_ext.engine.judging.tags import FORMS, SENTENCE
from clipcap_ext.webui.settings import Setting
from clipcap_ext.webui.tab.ids import elem_id as own_id
from clipcap_ext.webui.words import Words

FORM_NAMES = ("Sentence", "Tags", "Sentence and tags")
COMPONENTS = {"dropdown": gr.Dropdown, "radio": gr.Radio, "checkbox": gr.Checkbox}


def setting_component(setting: Setting) -> tuple[type, Callable[[], dict[str, Any]] | None]:
    """The component class of a setting and, where it has choices, what makes its arguments."""
    choices = setting.choices
    arguments = None if choices is None else lambda: {"choices": list(choices())}
    return COMPONENTS[setting.kind], arguments


def generated_controls(elem_id: Callable[[str], str], models: Sequence[str]) -> list[Any]:
    """The always-visible script's switch and model, folded away."""
    with gr.Accordion("ClipCap caption", open=False, elem_id=elem_id("clipcap_accordion")):
        with gr.Row():
            enabled = gr.Checkbox(
                False, label="Caption each image into its infotext", elem_id=elem_id("clipcap_on")
            )
            model = model_choice(models, elem_id("clipcap_model"))
    return [enabled, model]


def extras_controls(models: Sequence[str]) -> tuple[Any, Any]:
    """The Extras switch and model."""
    with gr.Accordion("ClipCap caption", open=False, elem_id="extras_clipcap_accordion"):
        with gr.Row():
            enable = gr.Checkbox(False, label="Caption with ClipCap", elem_id="extras_clipcap_on")
            model = model_choice(models, "extras_clipcap_model")
    return enable, model


def model_choice(models: Sequence[str], elem_id: str) -> Any:
    """Empty stands for the model of the settings page."""
    choices = ["", *models]
    model = gr.Dropdown(
        choices=choices, value="", label="Caption model (empty: as in Settings)", elem_id=elem_id
    )
    model.do_not_save_to_config = True
    return model


def form_choice(words: Words, name: str, label: str) -> Any:
    """A caption's form: sentence, tags or both."""
    choices = [(words(text), form) for text, form in zip(FORM_NAMES, FORMS, strict=True)]
    info = words("Tags: the keywords that the model saw, else the caption's own; no word is said twice.")
    return gr.Radio(choices, value=SENTENCE, label=label, info=info, elem_id=own_id(name))
