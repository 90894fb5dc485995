"""The line above the panes: which model, what is known of it, and a button that looks again. It loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.webui.model_facts import licence_of, size_of, state_of, terms_of
from clipcap_ext.webui.tab.compat import QUICK, follow, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import size_text
from clipcap_ext.webui.words import Words


@dataclass(frozen=True)
class Header:
    """The model's choice, its facts, and the button that looks again."""

    model: Any
    facts: gr.HTML
    refresh: gr.Button


def model_names(entries: list[ModelEntry]) -> list[str]:
    """The models that can be used. Names alone: gradio 3.41 takes no labels for a dropdown's values."""
    return [entry.name for entry in entries if not entry.problem]


def chosen(context: Context, wanted: Any = "") -> str | None:
    """`wanted` if it is there, else the settings page's model, else the first; None if there is no model."""
    names = model_names(context.service.models())
    for name in (wanted, context.host.setting("clipcap_model", "")):
        if name in names:
            return name
    return names[0] if names else None


def facts_line(context: Context, name: str | None) -> str:
    """Size, licence and state of the chosen model, in one line."""
    words = context.words
    entry = next((entry for entry in context.service.models() if entry.name == name), None)
    if entry is None:
        place = str(context.host.models_dir)
        text = words("No model here yet: put a checkpoint folder into {place} and refresh.", place=place)
        return f'<div class="clipcap_facts" role="alert">{escape(text)}</div>'
    state, encoder = state_of(entry, context.host.models_dir)
    parts = [escape(size_text(size_of(entry, context.host.models_dir))), licence(words, entry)]
    parts.append(escape(words(state, encoder=encoder)))
    return f'<div class="clipcap_facts">{" · ".join(parts)}</div>'


def licence(words: Words, entry: ModelEntry) -> str:
    """A few words for the terms, the whole of them in a tooltip; the Models pane shows them, too."""
    terms = terms_of(entry)
    short = licence_of(entry) or words("terms of its own" if terms else "no licence given")
    return f'<span class="clipcap_terms" title="{escape(terms)}">{escape(short)}</span>' if terms else escape(short)


def build_header(context: Context) -> Header:
    """Lay it out."""
    words = context.words
    name = chosen(context)
    with gr.Row(elem_id=elem_id("header")):
        model = forgotten(
            gr.Dropdown(
                model_names(context.service.models()), value=name, label=words("Model"),
                elem_id=elem_id("model"), scale=3,
            )
        )  # fmt: skip
        refresh = gr.Button(words("Refresh"), elem_id=elem_id("refresh"), size="sm", scale=0, min_width=90)
        facts = gr.HTML(facts_line(context, name), elem_id=elem_id("facts"))
    return Header(model, facts, refresh)


def wire_header(context: Context, header: Header) -> None:
    """Refresh looks at the folders again; a choice shows its facts."""

    def again(name: str | None) -> list[Any]:
        kept = chosen(context, name)
        choices = model_names(context.service.models())
        return [gr.update(choices=choices, value=kept), facts_line(context, kept)]

    header.refresh.click(again, [header.model], [header.model, header.facts], **QUICK)
    follow(header.model.change, lambda name: facts_line(context, name), [header.model], [header.facts])
