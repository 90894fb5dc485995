"""The tab with a folder as transformers saves it: what its kind lacks is greyed out and left out, and every
pane captions; it needs gradio, which test_beside_the_hosts.py brings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_images

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

import gradio as gr

from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.image_to_text.lacking import LACKING
from clipcap_ext.engine.tag_options import NO_TAGGER
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.batch import build_batch, caption_uploads
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import (
    build_decoding,
    chosen_form,
    fitting_length,
    form_updates,
    model_form,
)
from clipcap_ext.webui.tab.folder.looking import look
from clipcap_ext.webui.tab.folder.pane import build_folder
from clipcap_ext.webui.tab.folder.writing import write
from clipcap_ext.webui.tab.model_cards import card_here
from clipcap_ext.webui.tab.single.pane import build_single
from clipcap_ext.webui.tab.single.run import caption_picture
from clipcap_ext.webui.words import Words

MODEL = "my-git"
ASKING = {**DecodingForm.start().values, "precision": "fast", "num_candidates": 3, "max_new_tokens": 8}


@pytest.fixture
def context(image_to_text_folder: Path) -> Context:
    host = StandaloneHost(image_to_text_folder, "cpu")
    return Context(CaptionService(host), host, HostComponents(), Words(""), Downloads(host.models_dir))


def last_of(steps: Iterable[Answer]) -> Answer:
    return list(steps)[-1]


def acts(context: Context, model: str) -> dict[str, bool]:
    """Which controls can be moved once the model is chosen and asks for several beams."""
    with gr.Blocks():
        controls = build_decoding(context)
    changes = form_updates(controls, chosen_form(context, model, ASKING), with_values=False)
    return {name: changes[controls.components[name]]["interactive"] for name in controls.components}


def test_what_the_kind_lacks_is_greyed_and_nothing_else(context: Context) -> None:
    greyed = {name for name, can in acts(context, MODEL).items() if not can}
    usual = {name for name, can in acts(context, "tiny-flickr8k").items() if not can}
    assert greyed - usual == set(LACKING) - set(NO_TAGGER) and usual <= greyed
    assert not model_form(context, MODEL).acting() & set(LACKING)


def test_a_task_is_asked_where_the_model_has_tasks(asked_folder: Path) -> None:
    host = StandaloneHost(asked_folder, "cpu")
    context = Context(CaptionService(host), host, HostComponents(), Words(""), Downloads(host.models_dir))
    acting = {model: acts(context, model)["task"] for model in ("my-chat", "my-blip-2", "tiny-flickr8k")}
    assert acting == {"my-chat": True, "my-blip-2": True, "tiny-flickr8k": False}
    said = {}
    for task in ("sentence", "What is in it?"):
        with gr.Blocks():
            pane = build_single(context)
        asking = {**ASKING, "task": task}
        picture = tiny_images(1)[0]
        last_of(caption_picture(context, pane, picture, Shown(), "my-chat", "", [], asking, Asker()))
        options = chosen_form(context, "my-chat", asking).options()
        said[task] = context.service.caption([picture], "my-chat", options).captions[0].text
    assert said["sentence"] != said["What is in it?"]


def test_another_task_may_be_longer_unless_somebody_says_how_long(context: Context) -> None:
    with gr.Blocks():
        controls = build_decoding(context)
    longest = controls.components["max_new_tokens"]
    assert fitting_length(controls, "detailed", 67) == {longest: 256}
    assert fitting_length(controls, "sentence", 256) == {longest: 67}
    assert fitting_length(controls, "detailed", 40) == {} == fitting_length(controls, "tags", 256)


def test_the_single_pane_captions_without_them(context: Context) -> None:
    with gr.Blocks():
        pane = build_single(context)
    steps = caption_picture(context, pane, tiny_images(1)[0], Shown(), MODEL, "", [], ASKING, Asker())
    assert "fp32" in str(last_of(steps)[pane.status]) and context.service.loaded() == MODEL


def test_the_batch_pane_captions_without_them(context: Context, tmp_path: Path) -> None:
    with gr.Blocks():
        pane = build_batch(context)
    paths = [str(tmp_path / f"{number}.png") for number in range(2)]
    for path, image in zip(paths, tiny_images(2), strict=True):
        image.save(path)
    last = last_of(caption_uploads(context, pane, paths, MODEL, ASKING, Asker()))
    assert len(last[pane.rows]) == 2


def test_the_folder_pane_writes_what_it_looked_at(context: Context, tmp_path: Path) -> None:
    with gr.Blocks():
        pane = build_folder(context)
    tiny_images(1)[0].save(tmp_path / "0.png")
    texts = {"folder": str(tmp_path), "extension": ".txt", "policy": "skip", "form": "sentence"}
    task: dict[str, Any] = {**dict.fromkeys(("prefix", "suffix", "trigger"), ""), "recursive": False, **texts}
    looked = last_of(look(context, pane, MODEL, task, ASKING, Asker()))[pane.looked]
    assert looked is not None
    last_of(write(context, pane, looked, MODEL, task, ASKING, Asker()))
    assert (tmp_path / "0.txt").is_file()


def test_its_card_tells_family_and_memory(context: Context, image_to_text_folder: Path) -> None:
    card = card_here(context, find_model(MODEL, folders=[image_to_text_folder]))
    told = dict(card.details)
    assert card.usable and card.state == "on this machine, ready offline"
    assert told["Family"] == "GIT" and told["Memory"]
