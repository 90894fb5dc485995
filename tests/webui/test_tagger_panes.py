"""The tab with a tagger: thresholds act, what writes is greyed, tags are shown and nothing can be guessed
again; it needs gradio, which test_beside_the_hosts.py brings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here: pip install .[taggers]")

import gradio as gr
from PIL import Image
from tiny_tagger import write_tagger

from clipcap_ext.engine.tag_options import TAG_OPTIONS
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.decoding_controls import STRATEGY, DecodingForm
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import build_decoding, chosen_form, form_updates
from clipcap_ext.webui.tab.single.pane import build_single
from clipcap_ext.webui.tab.single.run import caption_picture
from clipcap_ext.webui.words import Words

MODEL = "tiny-tagger"
ASKING = {**DecodingForm.start().values, "general_threshold": 0.5}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    write_tagger(tmp_path / MODEL)
    host = StandaloneHost(tmp_path, "cpu")
    return Context(CaptionService(host), host, HostComponents(), Words(""), Downloads(host.models_dir))


def last_of(steps: Iterable[Answer]) -> Answer:
    return list(steps)[-1]


def test_only_its_own_options_act(context: Context) -> None:
    with gr.Blocks():
        controls = build_decoding(context)
    changes = form_updates(controls, chosen_form(context, MODEL, ASKING), with_values=False)
    acting = {name for name, part in controls.components.items() if changes[part]["interactive"]}
    assert acting == set(TAG_OPTIONS)
    writer = form_updates(controls, chosen_form(context, "tiny-flickr8k", ASKING), with_values=False)
    greyed = {name for name, part in controls.components.items() if not writer[part]["interactive"]}
    assert set(TAG_OPTIONS) <= greyed and STRATEGY not in greyed


def test_the_single_pane_shows_tags_with_their_probabilities(context: Context) -> None:
    with gr.Blocks():
        pane = build_single(context)
    picture = Image.new("RGB", (30, 20), (255, 200, 150))
    steps = caption_picture(context, pane, picture, Shown(), MODEL, "", [], ASKING, Asker())
    last = last_of(steps)
    assert last[pane.caption.text] == "red eyes, long green hair, blue sky"
    assert last[pane.keywords.text] == last[pane.caption.text]
    assert "general 0.98" in last[pane.keywords.chips]
    assert last[pane.keywords.box]["visible"] and not last[pane.keywords.again]["visible"]
