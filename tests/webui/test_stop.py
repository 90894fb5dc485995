"""Two people at one WebUI: Stop, or a page that is closed, ends the work of who pressed it, not the other's
and not a request's; the host's own Interrupt ends what the host shows as running, as in that host."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
from fake_modules import FakeHost
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
from fastapi import FastAPI
from fastapi.testclient import TestClient

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.errors import Cancelled
from clipcap_ext.service import keeper
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.runs import Run
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.work import Result
from clipcap_ext.webui import api
from clipcap_ext.webui.hosts import find_host
from clipcap_ext.webui.rest_guard import Access

MODEL = "tiny-flickr8k"
PICTURES = [Image.new("RGB", (width, 4)) for width in range(1, 20)]  # three batches


class Held:
    """A captioner that says each picture's width, once it is let go."""

    name = MODEL
    default_options = DecodingOptions()

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def prepare(self, image: Image.Image, *rest: Any) -> Image.Image:
        return image

    def caption(self, images: Sequence[Image.Image], *rest: Any, **named: Any) -> list[Caption]:
        self.begun.set()
        assert self.go.wait(60)
        return [Caption(f"{image.width}", MODEL, (Candidate(f"{image.width}", -1.0),)) for image in images]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    captioner = Held()
    monkeypatch.setattr(keeper, "load_captioner", lambda *asked, **named: captioner)
    return captioner


@pytest.fixture
def program(fake_host: Callable[[str], FakeHost]) -> FakeHost:
    """AUTOMATIC1111, pretended."""
    return fake_host("AUTOMATIC1111")


@pytest.fixture
def service(program: FakeHost, held: Held, monkeypatch: pytest.MonkeyPatch) -> CaptionService:
    host = find_host()
    monkeypatch.setattr(type(host), "before_caption", lambda self, captioner: None)
    monkeypatch.setattr(type(host), "after_caption", lambda self, captioner: False)
    return CaptionService(host)


def pressed(service: CaptionService, page: Asker) -> Run:
    """A page's press on Caption all."""

    def work(run: Run) -> Result:
        return service.caption(PICTURES, MODEL, on_progress=run.set_stage, stop=run.stopping)

    return page.own(Run(work, len(PICTURES)))


def ended(run: Run) -> Run:
    run._thread.join(60)
    assert run.ended
    return run


def said(run: Run) -> list[str]:
    assert run.error is None
    return [caption.text for caption in run.value.captions]


ALL = [f"{width}" for width in range(1, 20)]


@pytest.mark.parametrize("first", [0, 1])
def test_stop_in_one_browser_leaves_the_other_s_work(service: CaptionService, held: Held, first: int) -> None:
    """Whether it runs or waits for its turn."""
    shipped = Asker()
    pages = [deepcopy(shipped), deepcopy(shipped)]  # as gradio gives each page its own
    runs = [pressed(service, pages[0])]
    assert held.begun.wait(60)
    runs.append(pressed(service, pages[1]))
    pages[first].stop()
    assert [run.stage == "stopping" for run in runs] == [first == 0, first == 1]
    held.go.set()
    assert isinstance(ended(runs[first]).error, Cancelled)
    assert said(ended(runs[1 - first])) == ALL


def test_stop_in_a_browser_leaves_a_request_and_a_request_that_ends_leaves_the_browser(
    service: CaptionService, held: Held
) -> None:
    app = FastAPI()
    api.add_api(app, service, Access({}), lambda name: name or MODEL)
    web, answers = TestClient(app, base_url="http://localhost"), []
    content = io.BytesIO()
    PICTURES[6].save(content, "PNG")
    picture = base64.b64encode(content.getvalue()).decode()
    body = {"image": picture, "model": MODEL}
    asking = threading.Thread(target=lambda: answers.append(web.post("/clipcap/v1/caption", json=body)))
    asking.start()
    assert held.begun.wait(60)
    stopped, going = Asker(), Asker()
    runs = [pressed(service, stopped), pressed(service, going)]
    stopped.stop()
    held.go.set()
    asking.join(60)
    assert answers[0].status_code == 200 and answers[0].json()["caption"] == "7"
    assert isinstance(ended(runs[0]).error, Cancelled)
    assert said(ended(runs[1])) == ALL


def test_stop_counts_for_what_goes_on_and_not_for_what_is_begun_later(
    service: CaptionService, held: Held
) -> None:
    page = Asker()
    run = pressed(service, page)
    page.stop()
    held.go.set()
    assert isinstance(ended(run).error, Cancelled)
    assert said(ended(pressed(service, page))) == ALL


def test_the_host_s_interrupt_ends_what_the_host_shows_as_running(
    program: FakeHost, service: CaptionService, held: Held
) -> None:
    """It is that program's button for its one running job, whoever began it; what waits is begun after."""
    one, other = Asker(), Asker()
    running = pressed(service, one)
    assert held.begun.wait(60)
    waiting = pressed(service, other)
    program.state.interrupt()
    held.go.set()
    assert isinstance(ended(running).error, Cancelled)
    assert said(ended(waiting)) == ALL
