"""The last choices, kept in the browser (localStorage): written when one changes, given back when the page
opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from clipcap_ext.batch.sidecar import EXTENSIONS
from clipcap_ext.batch.wording import POLICIES
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.prompts import MODES
from clipcap_ext.webui.tab.compat import QUICK, hidden_button, hidden_text, js, page_only
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import DecodingControls, form_updates, model_form
from clipcap_ext.webui.tab.header import Header, chosen, facts_line, offered

CHOICES: Mapping[str, tuple[str, ...]] = {"send_mode": MODES, "policy": POLICIES, "extension": EXTENSIONS}


@dataclass(frozen=True)
class Remembered:
    """Components by the name they are remembered by, besides the model and the decoding."""

    others: dict[str, Any]


def wire_memory(context: Context, header: Header, controls: DecodingControls, remembered: Remembered) -> None:
    """Write every choice into the browser's store as it changes; the script presses `restore` when the page
    is up."""
    restore, store = hidden_button("restore"), hidden_text("store")
    others = remembered.others
    names = ["model", *DecodingForm.names(), *others]
    components = [header.model, *controls.components.values(), *others.values()]
    save = f"(...values) => clipcap_remember({json.dumps(names)}, values)"
    for component in components:
        page_only(component.change, save, components)

    def give_back(text: str) -> list[Any]:
        kept = stored(text)
        name = chosen(context, kept.get("model"))
        own = model_form(context, name)
        form = DecodingForm.of_values({**own.values, **kept}) if name == kept.get("model") else own
        model = gr.update(choices=offered(context), value=name)
        rest = [gr.update(value=kept[key]) if fits(key, kept.get(key)) else gr.update() for key in others]
        return [model, facts_line(context, name), *form_updates(form).values(), *rest]

    outputs = [header.model, header.facts, *controls.components.values(), *others.values()]
    given = restore.click(give_back, [store], outputs, **QUICK, **js("() => clipcap_remembered()"))
    page_only(given.then, "() => clipcap_given_back()")


def stored(text: str) -> dict[str, Any]:
    """The store's JSON object; anything else counts as nothing remembered."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def fits(name: str, value: Any) -> bool:
    """Whether a remembered value may be given back to that control."""
    if name in CHOICES:
        return value in CHOICES[name]
    if name in ("recursive", "with_picture"):
        return isinstance(value, bool)
    return isinstance(value, str)
