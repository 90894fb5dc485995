"""One press in the Single pane takes a model from the Hub to a caption; stopped or failed, nothing is lost.

The steps of the pane are driven without a browser; they need gradio, which test_beside_the_hosts.py brings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import PAPER, FakeHub
from PIL import Image

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

import gradio as gr

from clipcap_ext.service.asker import Asker
from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import able
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import chosen, facts_line, offered
from clipcap_ext.webui.tab.single.pane import SinglePane, build_single
from clipcap_ext.webui.tab.single.run import begin_word, caption_picture
from clipcap_ext.webui.words import Words

PICTURE = Image.linear_gradient("L").convert("RGBA")
DECODING = DecodingForm.start().values


@pytest.fixture
def context(models: Path) -> Iterator[Context]:
    host = StandaloneHost(models, "cpu")
    yield Context(CaptionService(host), host, HostComponents(), Words(""), Downloads(models))
    for thread in threading.enumerate():  # torch at work while Python ends would abort it
        if thread.name == "clipcap":
            thread.join()


@pytest.fixture
def pane(context: Context) -> SinglePane:
    with gr.Blocks():
        return build_single(context)


def pressed(
    context: Context, pane: SinglePane, shown: Shown | None = None, mine: Asker | None = None
) -> Iterator[Answer]:
    asked = shown or Shown(), PAPER, None, [], DECODING, mine or Asker()
    return caption_picture(context, pane, PICTURE, *asked)


def until_bytes_come(pane: SinglePane, steps: Iterator[Answer]) -> None:
    assert any("MB of" in step[pane.status] and "MB/s" in step[pane.status] for step in steps)


def test_one_press_downloads_and_captions(hub: FakeHub, context: Context, pane: SinglePane) -> None:
    assert PAPER in offered(context) and chosen(context) != PAPER and chosen(context, PAPER) == PAPER
    assert begin_word(context, PAPER) == "Download and caption"
    assert "from the Hub, kept in" in facts_line(context, PAPER)
    assert hub.requests == []
    *going, last = pressed(context, pane)
    assert "clipcap_bar" in going[0][pane.status] and any("Captioning" in step[pane.status] for step in going)
    assert " ms" in last[pane.status] and last[pane.caption.text].strip()
    assert begin_word(context, PAPER) == "Caption"
    assert "ready offline" in facts_line(context, PAPER)
    asked = list(hub.requests)
    *_, again = pressed(context, pane)
    assert again[pane.caption.text] == last[pane.caption.text] and hub.requests == asked


def test_stopped_it_says_so_and_goes_on_from_there(hub: FakeHub, context: Context, pane: SinglePane) -> None:
    hub.behaviour.bytes_per_second = 200_000
    mine = Asker()
    steps = pressed(context, pane, mine=mine)
    until_bytes_come(pane, steps)
    context.downloads.leave(mine)
    *_, last = steps
    assert "What has arrived is kept" in last[pane.status] and pane.caption.text not in last
    assert begin_word(context, PAPER) == "Download and caption"
    hub.behaviour.bytes_per_second = 0
    *_, last = pressed(context, pane)
    assert " ms" in last[pane.status]
    assert any(asked.startswith("bytes=") and asked != "bytes=0-" for asked in hub.ranges)


def test_who_stops_waiting_leaves_the_download_to_who_still_waits(
    hub: FakeHub, context: Context, pane: SinglePane
) -> None:
    hub.behaviour.bytes_per_second = 200_000
    leaver, other = Asker(), Asker()
    steps, others = pressed(context, pane, mine=leaver), pressed(context, pane, mine=other)
    until_bytes_come(pane, steps)
    next(others)
    context.downloads.leave(leaver)
    *_, last = steps
    assert "Stopped." in last[pane.status] and last[pane.begin] == able(True)
    hub.behaviour.bytes_per_second = 0
    *_, last = others
    assert " ms" in last[pane.status]


def test_a_failure_leaves_the_box_and_the_button_as_they_were(
    hub: FakeHub, context: Context, pane: SinglePane
) -> None:
    hub.behaviour.status = (503, 99)
    *_, last = pressed(context, pane)
    assert "trouble of its own" in last[pane.status] and pane.caption.text not in last
    hub.behaviour.status = (0, 0)
    *_, last = pressed(context, pane)
    assert " ms" in last[pane.status]


def test_another_picture_meanwhile_is_not_given_the_first_one_s_caption(
    hub: FakeHub, context: Context, pane: SinglePane
) -> None:
    hub.behaviour.bytes_per_second = 400_000
    shown = Shown()
    shown.put(PICTURE, "the first")
    steps = pressed(context, pane, shown)
    until_bytes_come(pane, steps)
    shown.put(PICTURE.rotate(90), "the second")
    hub.behaviour.bytes_per_second = 0
    *_, last = steps
    assert last[pane.status] == "the second" and pane.caption.text not in last
    assert begin_word(context, PAPER) == "Caption"  # the model is here all the same


def test_what_somebody_else_is_downloading_is_named(hub: FakeHub, context: Context, pane: SinglePane) -> None:
    hub.behaviour.bytes_per_second = 200_000
    other = context.downloads.start("sbg-flickr8k")
    *_, last = pressed(context, pane)
    assert "sbg-flickr8k is being downloaded" in last[pane.status]
    context.downloads.cancel()
    for _ in other.watch():
        pass
