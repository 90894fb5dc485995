"""One press in the Single pane takes a model from the Hub to a caption; stopped or failed, nothing is lost.

The steps of the pane are driven without a browser; they need gradio, which test_beside_the_hosts.py brings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import PAPER, FakeHub
from PIL import Image

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.shown import Shown
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import chosen, facts_line, offered
from clipcap_ext.webui.tab.single.run import begin_word, caption_picture
from clipcap_ext.webui.words import Words

PICTURE = Image.linear_gradient("L").convert("RGBA")
VALUES = tuple(getattr(DecodingForm(), name) for name in DecodingForm.names())


@pytest.fixture
def context(models: Path) -> Iterator[Context]:
    host = StandaloneHost(models, "cpu")
    yield Context(CaptionService(host), host, HostComponents(), Words(""), Downloads(models))
    for thread in threading.enumerate():  # torch at work while Python ends would abort it
        if thread.name == "clipcap":
            thread.join()


def pressed(context: Context, shown: Shown | None = None) -> Iterator[list[Any]]:
    return caption_picture(context, PICTURE, shown or Shown(), PAPER, None, [], VALUES)


def until_bytes_come(steps: Iterator[list[Any]]) -> None:
    assert any("MB of" in status and "MB/s" in status for status, *_ in steps)


def test_one_press_downloads_and_captions(hub: FakeHub, context: Context) -> None:
    assert PAPER in offered(context) and chosen(context) != PAPER and chosen(context, PAPER) == PAPER
    assert begin_word(context, PAPER) == "Download and caption"
    assert "from the Hub, kept in" in facts_line(context, PAPER)
    assert hub.requests == []
    *going, last = pressed(context)
    assert "clipcap_bar" in going[0][0] and any("Captioning" in status for status, *_ in going)
    assert " ms" in last[0] and last[3].strip()
    assert begin_word(context, PAPER) == "Caption"
    assert "ready offline" in facts_line(context, PAPER)
    asked = list(hub.requests)
    *_, again = pressed(context)
    assert again[3] == last[3] and hub.requests == asked


def test_stopped_it_says_so_and_goes_on_from_there(hub: FakeHub, context: Context) -> None:
    hub.behaviour.bytes_per_second = 200_000
    steps = pressed(context)
    until_bytes_come(steps)
    context.downloads.cancel(PAPER)
    *_, last = steps
    assert "What has arrived is kept" in last[0] and not isinstance(last[3], str)
    assert begin_word(context, PAPER) == "Download and caption"
    hub.behaviour.bytes_per_second = 0
    *_, last = pressed(context)
    assert " ms" in last[0]
    assert any(asked.startswith("bytes=") and asked != "bytes=0-" for asked in hub.ranges)


def test_a_failure_leaves_the_box_and_the_button_as_they_were(hub: FakeHub, context: Context) -> None:
    hub.behaviour.status = (503, 99)
    *_, last = pressed(context)
    assert "trouble of its own" in last[0] and not isinstance(last[3], str)
    hub.behaviour.status = (0, 0)
    *_, last = pressed(context)
    assert " ms" in last[0]


def test_another_picture_meanwhile_is_not_given_the_first_one_s_caption(
    hub: FakeHub, context: Context
) -> None:
    hub.behaviour.bytes_per_second = 400_000
    shown = Shown()
    shown.put(PICTURE, "the first")
    steps = pressed(context, shown)
    until_bytes_come(steps)
    shown.put(PICTURE.rotate(90), "the second")
    hub.behaviour.bytes_per_second = 0
    *_, last = steps
    assert last[0] == "the second" and not isinstance(last[3], str)
    assert begin_word(context, PAPER) == "Caption"  # the model is here all the same


def test_what_somebody_else_is_downloading_is_named(hub: FakeHub, context: Context) -> None:
    hub.behaviour.bytes_per_second = 200_000
    other = context.downloads.start("sbg-flickr8k")
    *_, last = pressed(context)
    assert "sbg-flickr8k is being downloaded" in last[0]
    context.downloads.cancel()
    for _ in other.watch():
        pass
