"""The last choices, kept in the browser (localStorage): written when one changes, given back when the page
opens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from clipcap_ext.batch.sidecar import FORMATS
from clipcap_ext.batch.wording import POLICIES
from clipcap_ext.engine.judging.tags import FORMS
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.prompts import MODES
from clipcap_ext.webui.tab.binding import Answer, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, hidden_button, hidden_text
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_updates, model_form
from clipcap_ext.webui.tab.header import Header, chosen, models_now

CHOICES: Mapping[str, Iterable[str]] = {
    "send_mode": MODES, "policy": POLICIES, "extension": FORMATS, "form": FORMS, "send_form": FORMS,
}  # fmt: skip


def wire_memory(
    context: Context, header: Header, controls: DecodingControls, others: Mapping[str, Any]
) -> None:
    """Write every choice into the browser's store as it changes; the script presses `restore` when the page
    is up.

    others: components by the name they are remembered by, besides the model and the decoding.
    """
    restore, store = hidden_button("restore"), hidden_text("store")
    choices = {"model": header.model, **controls.components, **others}
    for component in choices.values():
        page_only(component.change, "clipcap_remember", choices)

    def give_back(store: str) -> Answer:
        kept = stored(store)
        name = chosen(context, kept.get("model"))
        own = model_form(context, name)
        same = name == kept.get("model")
        form = DecodingForm.of_values({**own.values, **kept}, own.lacking) if same else own
        fitting = {others[key]: gr.update(value=kept[key]) for key in others if fits(key, kept.get(key))}
        return {**models_now(context, header, name), **form_updates(controls, form), **fitting}

    outputs = [header.facts, *choices.values()]
    given = on(restore.click, give_back, {"store": store}, outputs, "clipcap_remembered", **QUICK)
    page_only(given.then, "clipcap_given_back")


def stored(text: str) -> dict[str, Any]:
    """The store's JSON object; anything else counts as nothing remembered."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def fits(name: str, value: Any) -> bool:
    """Whether a remembered value may be given back to that control."""
    if name in CHOICES:
        return value in tuple(CHOICES[name])
    if name in ("recursive", "with_picture"):
        return isinstance(value, bool)
    return isinstance(value, str)
