"""A model as a person reads of it: what it is good for, whether it is here or how much is to be fetched;
scores, terms and places folded away. HTML alone, no component and no choice of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.engine.published.published_models import PublishedModel
from clipcap_ext.service.model_facts import (
    architecture_of,
    is_bundled,
    licence_of,
    memory_of,
    purpose_of,
    scores_of,
    size_of,
    state_of,
    terms_of,
)
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.markup import size_text
from clipcap_ext.webui.words import Words

HUB = "https://huggingface.co/"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a card shows; `page` is where more is told, `details` (what, text) are folded, and only a `usable`
    one can be chosen."""

    name: str
    purpose: str
    here: bool
    state: str
    size: str
    licence: str
    page: str = ""
    usable: bool = True
    details: Sequence[tuple[str, str]] = ()


def card_here(context: Context, entry: ModelEntry) -> ModelCard:
    """Of a model on this machine, a broken one with what is wrong."""
    words, models_dir = context.words, context.host.models_dir
    text, encoder = state_of(entry, models_dir)
    told = words(text, encoder=encoder) + (f": {entry.problem}" if entry.problem else "")
    purpose = purpose_of(entry)
    more: list[tuple[str, str]] = []
    if is_bundled(entry):
        more.append((words("What it is"), purpose))
        purpose = words("Small, to try things with: short captions of photos")
    more += [(words("Terms"), terms_of(entry)), (words("Scores"), scores_of(entry))]
    if memory_of(entry):
        more += [(words("Family"), architecture_of(entry)), (words("Memory"), size_text(memory_of(entry)))]
    more.append((words("Where"), str(entry.folder)))
    return ModelCard(
        name=entry.name, purpose=purpose, here=not entry.problem, state=told, licence=licence_of(entry),
        size=size_text(size_of(entry, models_dir)), usable=not entry.problem, details=more,
    )  # fmt: skip


def card_to_fetch(context: Context, model: PublishedModel, sizes: Mapping[str, int]) -> ModelCard:
    """Of a published model that is not here; `sizes` with what else it needs, by name."""
    words, whole = context.words, sizes.get(model.name, model.size)
    place = context.host.models_dir / model.name
    told = words("not here yet") if model.repo else words("not here: its file can only be fetched by hand")
    where = str(place) if model.repo else f"{place}.pt"
    return ModelCard(
        name=model.name, purpose=words(model.purpose), here=False, state=told, licence=model.licence,
        size=words("about {size} to fetch", size=size_text(whole)) if whole else "",
        page=HUB + model.repo if model.repo else "", usable=bool(model.repo),
        details=[(words("Terms"), words(model.terms)), (words("Where"), where)],
    )  # fmt: skip


def cards_html(words: Words, cards: Sequence[ModelCard], title: str) -> str:
    """All of them under a line."""
    inner = "".join(_html(words, card) for card in cards)
    return f'<p class="clipcap_facts">{escape(title)}</p><div class="clipcap_models">{inner}</div>'


def _html(words: Words, card: ModelCard) -> str:
    kind = "clipcap_here" if card.here else "clipcap_there"
    facts = [f'<span class="{kind}">{escape(card.state)}</span>', escape(card.size), escape(card.licence)]
    if card.page:
        outside = f'href="{escape(card.page)}" target="_blank" rel="noopener noreferrer"'
        facts.append(f"<a {outside}>{escape(words('Its page'))}</a>")
    rows = "".join(f"<dt>{escape(what)}</dt><dd>{escape(text)}</dd>" for what, text in card.details if text)
    return (
        f'<article class="clipcap_model_card"><h4>{escape(card.name)}</h4><p>{escape(card.purpose)}</p>'
        f'<p class="clipcap_model_facts">{" · ".join(fact for fact in facts if fact)}</p>'
        f"<details><summary>{escape(words('Scores, terms and place'))}</summary><dl>{rows}</dl></details>"
        f"{_button(words, card)}</article>"
    )


def _button(words: Words, card: ModelCard) -> str:
    """Choosing one that is not here leads to the button that downloads and captions."""
    if not card.usable:
        return ""
    chosen = f'class="clipcap_choose" data-clipcap-model="{escape(card.name)}"'
    return f'<button type="button" {chosen}>{escape(words("Use"))}</button>'
