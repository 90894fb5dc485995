"""Every word that the page shows as it opens has gone through Words: with marks for a translation, what is
left without one is a number, a name or what a model's card says. It needs gradio, which
test_beside_the_hosts.py brings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

import gradio as gr

from clipcap_ext.batch.sidecar import FORMATS
from clipcap_ext.caption import TASKS
from clipcap_ext.engine.catalog import list_to_fetch
from clipcap_ext.engine.folder_kinds import problem_to_fetch
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.model_facts import licence_of, purpose_of, sample_of, scores_of, terms_of
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.tab import build
from clipcap_ext.webui.tab.compat import MAJOR
from clipcap_ext.webui.tab.ids import HIDDEN
from clipcap_ext.webui.words import Words

TARGETS = ("txt2img", "img2img")
TITLES = {"txt2img": "Text", "img2img": "Image"}
SHOWN = ("label", "info", "placeholder", "value", "choices")


class SendingHost(StandaloneHost):
    """Has tabs to send to."""

    send_targets = TARGETS


@pytest.fixture
def host(tiny_folder: Path) -> SendingHost:
    return SendingHost(tiny_folder, "cpu")


@pytest.fixture
def tab(host: SendingHost, monkeypatch: pytest.MonkeyPatch) -> gr.Blocks:
    plain = Words.__call__

    def marked(self: Words, text: str, **values: object) -> str:
        return f"«{plain(self, text, **values)}»"

    monkeypatch.setattr(Words, "__call__", marked)
    with gr.Blocks():
        prompts = {name: gr.Textbox() for name in TARGETS}
    return build(CaptionService(host), host, HostComponents(prompts, titles=TITLES))


def texts_of(component: Any) -> Iterator[str]:
    """What a component shows."""
    for name in SHOWN:
        value = getattr(component, name, None)
        if name == "value" and isinstance(component, (gr.Radio, gr.Dropdown)):
            continue  # a choice's own name; what is shown of it is among the choices
        if name == "label" and getattr(component, "show_label", True) is False:
            continue
        for one in value if isinstance(value, list) else [value]:
            text = one[0] if isinstance(one, tuple) else one
            if isinstance(text, str):
                yield text


def names(host: SendingHost) -> list[str]:
    """What is no word of ours, long ones first."""
    said = list(TASKS) if MAJOR < 4 else []  # its lists show the values themselves
    said += [str(host.models_dir), "https://huggingface.co", ".pt", *FORMATS, *TITLES.values()]
    for entry in CaptionService(host).models():
        sample = sample_of(entry)
        said += [entry.name, str(entry.folder), licence_of(entry), terms_of(entry), purpose_of(entry)]
        said += [scores_of(entry), sample.caption if sample else ""]
    for model in list_to_fetch(folders=[host.models_dir]):
        said += [model.name, model.licence, problem_to_fetch(model)]  # errors are in English everywhere
    return sorted(filter(None, said), key=len, reverse=True)


def unmarked(text: str, known: list[str]) -> str:
    """The letters of a text that neither a translation nor a name accounts for."""
    attributes = " ".join(re.findall(r'(?:alt|title|aria-label|placeholder)="([^"]*)"', text))
    left = unescape(re.sub(r"<[^>]*>", " ", text) + " " + attributes)
    while (less := re.sub("«[^«»]*»", "", left)) != left:
        left = less
    for name in known:
        left = left.replace(name, "")
    left = re.sub(r"\d[\d.]* (MB|GB)", "", left)
    return " ".join(re.findall(r"[^\W\d_]{2,}", left))


def is_hidden(component: Any) -> bool:
    return HIDDEN in (getattr(component, "elem_classes", None) or [])


def test_every_word_goes_through_words(tab: gr.Blocks, host: SendingHost) -> None:
    known = names(host)
    shown = [
        (getattr(component, "elem_id", None), text, unmarked(text, known))
        for component in tab.blocks.values()
        if not isinstance(component, gr.State) and not is_hidden(component)
        for text in texts_of(component)
    ]
    assert sum("«" in text for _, text, _ in shown) > 60
    untranslated = [(name, left) for name, text, left in shown if left]
    assert untranslated == [], untranslated
