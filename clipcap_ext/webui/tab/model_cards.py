"""A model as a person reads of it: what it is good for, whether it is here or how much is to be fetched;
scores, terms and places folded away. HTML alone, no component and no choice of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from clipcap_ext.engine.catalog import ModelEntry
from clipcap_ext.engine.folder_kinds import problem_to_fetch
from clipcap_ext.engine.published.published_models import PublishedModel
from clipcap_ext.service.folder_window import window_command
from clipcap_ext.service.model_facts import (
    MEMORY_BYTES,
    Sample,
    architecture_of,
    is_bundled,
    licence_of,
    memory_of,
    purpose_of,
    sample_of,
    scores_of,
    size_of,
    state_of,
    terms_of,
)
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import to_download
from clipcap_ext.webui.tab.markup import size_text, thumbnail_of
from clipcap_ext.webui.words import Words

HUB = "https://huggingface.co/"
SAMPLE = 96  # pixels of a sample's picture


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a card shows; `page` is where more is told, `folder` where it lies, `opened` whether that can be
    shown on this machine's screen, `details` (what, text) are folded. A `usable` one can be chosen, of a
    `fetchable` one something is to be downloaded."""

    name: str
    purpose: str
    here: bool
    state: str
    size: str
    licence: str
    page: str = ""
    sample: Sample | None = None
    folder: str = ""
    opened: bool = False
    usable: bool = False
    fetchable: bool = False
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
        fetchable=to_download(context, entry.name), sample=sample_of(entry), folder=str(entry.folder),
        opened=context.host.shows_folders and window_command() is not None,
    )  # fmt: skip


def card_to_fetch(context: Context, model: PublishedModel, sizes: Mapping[str, int]) -> ModelCard:
    """Of a published model that is not here; `sizes` with what else it needs, by name."""
    words, whole = context.words, sizes.get(model.name, model.size)
    place = context.host.models_dir / model.name
    told = words("not here yet") if model.repo else words("not here: its file can only be fetched by hand")
    problem = problem_to_fetch(model)
    if problem:
        told = words("cannot be used") + f": {problem}"
    memory = size_text(MEMORY_BYTES * model.weights) if model.weights else ""
    where = str(place) if model.repo else f"{place}.pt"
    return ModelCard(
        name=model.name, purpose=words(model.purpose), here=False, state=told, licence=model.licence,
        size=words("about {size} to fetch", size=size_text(whole)) if whole else "",
        page=HUB + model.repo if model.repo else "", fetchable=bool(model.repo) and not problem,
        details=[(words("Terms"), words(model.terms)), (words("Memory"), memory), (words("Where"), where)],
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
        f"{_sample(words, card)}"
        f'<p class="clipcap_model_facts">{" · ".join(fact for fact in facts if fact)}</p>'
        f"<details><summary>{escape(words('Scores, terms and place'))}</summary><dl>{rows}</dl></details>"
        f'<p class="clipcap_acts">{_buttons(words, card)}</p></article>'
    )


def _sample(words: Words, card: ModelCard) -> str:
    if card.sample is None:
        return ""
    picture = f'<img src="{_picture(card.sample.photo)}" alt="{escape(words("An example photo"))}">'
    said = f"{escape(words('It says of this photo:'))}<br><q>{escape(card.sample.caption)}</q>"
    return f'<div class="clipcap_sample">{picture}<p>{said}</p></div>'


@lru_cache(maxsize=16)
def _picture(photo: Path) -> str:
    from PIL import Image

    with Image.open(photo) as image:
        return thumbnail_of(image, 2 * SAMPLE)


def _buttons(words: Words, card: ModelCard) -> str:
    """What can be done with it, by the script: choose it, fetch what is missing, look where it lies."""
    acts = []
    if card.usable:
        acts.append(("Use", "model", card.name))
    if card.fetchable:
        acts.append(("Download", "fetch", card.name))
    if card.folder and card.opened:
        acts.append(("Open folder", "folder", card.name))
    elif card.folder:
        acts.append(("Copy path", "copy", card.folder))
    return "".join(
        f'<button type="button" class="clipcap_choose" data-clipcap-{what}="{escape(value)}">'
        f"{escape(words(text))}</button>"
        for text, what, value in acts
    )
