"""The line above the panes: which model, what is known of it, and a button that looks again. It loads
nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from clipcap_ext.engine.catalog import ModelEntry, list_to_fetch
from clipcap_ext.service.model_facts import is_bundled, licence_of, size_of, state_of, terms_of
from clipcap_ext.webui.tab.binding import Answer, follow, on
from clipcap_ext.webui.tab.compat import QUICK, forgotten
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


def offered(context: Context) -> list[str]:
    """The models here that can be used, then those to download. Names alone: gradio 3.41 knows no labels of
    values."""
    here = usable(context)
    return [*here, *(name for name, _ in context.downloads.fetchable() if name not in here)]


def chosen(context: Context, wanted: Any = "") -> str | None:
    """`wanted` if it is offered, else the settings page's model, else the first here; None if there is no
    model."""
    here = usable(context)
    if wanted in here or wanted in offered(context):
        return wanted
    preferred = context.host.setting("clipcap_model", "")
    return preferred if preferred in here else next(iter(here), None)


def to_download(context: Context, name: str | None) -> bool:
    """Whether something has to come from the Hub before that model can caption."""
    return any(name == model for model, _ in context.downloads.fetchable())


def usable(context: Context) -> list[str]:
    """The models here that can be used."""
    return [entry.name for entry in context.service.models() if not entry.problem]


def from_the_hub(context: Context, name: str) -> str:
    """How much would be fetched for that model, and where it would go."""
    size, place = dict(context.downloads.fetchable()).get(name, 0), str(context.downloads.models_dir)
    if not size:
        return context.words("From the Hub, kept in {place}", place=place)
    return context.words("about {size} from the Hub, kept in {place}", size=size_text(size), place=place)


def list_states(context: Context) -> dict[str, str]:
    """What stands behind each name in the list of models: that it is here, or how much is to be fetched."""
    sizes = dict(context.downloads.fetchable())
    here = context.words("here")
    names = [*usable(context), *sizes]
    return {name: size_text(sizes[name]) if sizes.get(name) else here for name in names}


def facts_line(context: Context, name: str | None) -> str:
    """Size, licence and state of the chosen model, in one line; of one that is not here, what it takes to get
    it. The script takes what the list says of the others from here."""
    states = escape(json.dumps(list_states(context)))
    return f'<div class="clipcap_facts" data-clipcap-states="{states}">{_facts(context, name)}</div>'


def _facts(context: Context, name: str | None) -> str:
    words = context.words
    entry = next((entry for entry in context.service.models() if entry.name == name), None)
    fetchable = list_to_fetch(folders=[context.host.models_dir])
    published = next((model for model in fetchable if model.name == name), None)
    if published is not None and published.repo:
        terms = licence_text(words, published.licence, published.terms or published.licence)
        return f"{escape(from_the_hub(context, published.name))} · {terms}"
    if entry is None:
        place = str(context.host.models_dir)
        text = words("No model here yet: put a checkpoint folder into {place} and refresh.", place=place)
        return f'<span role="alert">{escape(text)}</span>'
    state, encoder = state_of(entry, context.host.models_dir)
    parts = [escape(size_text(size_of(entry, context.host.models_dir))), licence(words, entry)]
    parts.append(escape(words(state, encoder=encoder)))
    if is_bundled(entry):
        small = words("small, to try things with: the published ones in this list know far more")
        parts.append(escape(small))
    return " · ".join(parts)


def licence(words: Words, entry: ModelEntry) -> str:
    """A few words for the terms, the whole of them in a tooltip; the Models pane shows them, too."""
    return licence_text(words, licence_of(entry), terms_of(entry))


def licence_text(words: Words, short: str, terms: str) -> str:
    """The same from the words themselves."""
    short = short or words("terms of its own" if terms else "no licence given")
    return (
        f'<span class="clipcap_terms" title="{escape(terms)}">{escape(short)}</span>'
        if terms
        else escape(short)
    )


def build_header(context: Context) -> Header:
    """Lay it out."""
    words = context.words
    name = chosen(context)
    with gr.Row(elem_id=elem_id("header")):
        model = forgotten(
            gr.Dropdown(offered(context), value=name, label=words("Model"), elem_id=elem_id("model"), scale=3)
        )
        refresh = gr.Button(words("Refresh"), elem_id=elem_id("refresh"), size="sm", scale=0, min_width=90)
        facts = gr.HTML(facts_line(context, name), elem_id=elem_id("facts"))
    return Header(model, facts, refresh)


def wire_header(context: Context, header: Header) -> None:
    """Refresh looks at the folders again; a choice shows its facts."""
    model = {"model": header.model}

    def again(model: str | None) -> Answer:
        return models_now(context, header, model)

    def facts(model: str | None) -> Answer:
        return {header.facts: facts_line(context, model)}

    on(header.refresh.click, again, model, [header.model, header.facts], **QUICK)
    follow(header.model.change, facts, model, [header.facts])


def models_now(context: Context, header: Header, kept: Any) -> Answer:
    """The models that can be chosen now, `kept` or what stands in for it chosen, and that one's facts."""
    name = chosen(context, kept)
    model = gr.update(choices=offered(context), value=name)
    return {header.model: model, header.facts: facts_line(context, name)}
