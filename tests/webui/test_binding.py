"""Handlers are tied to components by name: what they get, what their answers change, and what gradio makes of
it. It needs gradio, which test_beside_the_hosts.py brings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

import gradio as gr
from fastapi import FastAPI
from fastapi.testclient import TestClient

from clipcap_ext.service.asker import Asker
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.binding import Answer, flat, follow, on, page_only, positional
from clipcap_ext.webui.tab.compat import MAJOR, QUICK

SAME = gr.update()
PREDICT = "/run/predict" if MAJOR < 5 else "/gradio_api/run/predict"


@pytest.fixture
def boxes() -> list[Any]:
    with gr.Blocks():
        return [gr.Textbox() for _ in range(4)]


def test_values_come_by_name_and_answers_go_where_they_say(boxes: list[Any]) -> None:
    first, second, seed, beams = boxes

    def handler(model: str, decoding: dict[str, Any], text: str) -> Answer:
        return {second: f"{model} {decoding} {text}", seed: decoding["seed"]}

    inputs = {"text": first, "decoding": {"beams": beams, "seed": seed}, "model": second}
    assert flat(inputs) == {"text": first, "decoding.beams": beams, "decoding.seed": seed, "model": second}
    answer = positional(handler, inputs, [seed, first, second])("a", 5, 7, "m")
    assert answer == [7, SAME, "m {'beams': 5, 'seed': 7} a"]


def test_one_output_and_none(boxes: list[Any]) -> None:
    first, second, *_ = boxes
    assert positional(lambda text: {first: text}, {"text": second}, [first])("a") == "a"
    assert positional(lambda: {}, {}, [first])() == SAME
    assert positional(lambda: None, {}, [first, second])() == [SAME, SAME]


def test_an_answer_for_another_component_is_refused(boxes: list[Any]) -> None:
    with pytest.raises(ValueError, match="none of the event's outputs"):
        positional(lambda: {boxes[0]: "a"}, {}, boxes[1:])()


def test_steps_are_answers_and_a_page_that_goes_ends_them(boxes: list[Any]) -> None:
    ended: list[str] = []

    def handler(text: str) -> Iterator[Answer]:
        try:
            for letter in text:
                yield {boxes[0]: letter}
        finally:
            ended.append(text)

    steps = positional(handler, {"text": boxes[1]}, boxes[:2])
    assert list(steps("ab")) == [["a", SAME], ["b", SAME]]
    going = steps("cd")
    assert next(going) == ["c", SAME] and ended == ["ab"]
    going.close()
    assert ended == ["ab", "cd"]


def script_of(config: dict[str, Any]) -> str:
    found = config["js"]
    assert isinstance(found, str)
    return found


def test_scripts_are_given_the_names(boxes: list[Any]) -> None:
    with gr.Blocks() as page:
        one, two, button = gr.Textbox(), gr.Textbox(), gr.Button()
        inputs = {"text": one, "sure": two}
        page_only(button.click, "clipcap_copy", inputs)
        on(button.click, lambda text, sure: {}, inputs, [one], "({text}) => ({sure: text})", **QUICK)
    only, first = page.get_config_file()["dependencies"]
    for event in (only, first):
        assert json.dumps(list(inputs)) in script_of(event)
        assert event["inputs"] == [one._id, two._id]
    assert "(clipcap_copy)(" in script_of(only) and not only["backend_fn"] and only["outputs"] == []
    assert "({text}) => ({sure: text})" in script_of(first) and first["backend_fn"]


def test_a_change_is_followed_by_what_each_gradio_has_for_it() -> None:
    with gr.Blocks() as page:
        box, shown = gr.Textbox(), gr.Textbox()
        follow(box.change, lambda text: {shown: text}, {"text": box}, [shown])
    dependencies = page.get_config_file()["dependencies"]
    if MAJOR < 4:  # the change and the hidden button, each asked and then looked at again
        assert ["clipcap_asked" in str(one["js"]) for one in dependencies] == [True, False, True, False]
    else:
        assert [one["trigger_mode"] for one in dependencies] == ["always_last"]


def test_gradio_takes_answers_that_change_something_and_nothing() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        one, two, kept, button = gr.Textbox(), gr.Textbox(), gr.State({}), gr.Button()

        def handler(text: str, earlier: dict[str, str]) -> Answer:
            return {two: f"{text} {earlier}", kept: {"a": text}} if text else {}

        on(button.click, handler, {"text": one, "earlier": kept}, [one, two, kept], **QUICK)
    client = TestClient(gr.mount_gradio_app(FastAPI(), page, path="/"))

    def press(text: str) -> list[Any]:
        body = {"fn_index": 0, "data": [text, None], "session_hash": "here"}
        answer = client.post(PREDICT, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    untouched = {"__type__": "update"}
    assert press("x") == [untouched, "x {}", None]
    assert press("y") == [untouched, "y {'a': 'x'}", None]
    assert press("")[:2] == [untouched, untouched]
    assert press("z") == [untouched, "z {'a': 'y'}", None]


def test_each_page_has_an_asker_of_its_own() -> None:
    """Stop in one page reaches what that page began, through gradio's own sessions."""
    runs: list[Run] = []

    def begin(mine: Asker) -> None:
        runs.append(mine.own(Run(lambda run: run.stopping.wait(60))))

    with gr.Blocks(analytics_enabled=False) as page:
        mine, start, stop = gr.State(Asker()), gr.Button(), gr.Button()
        on(start.click, begin, {"mine": mine}, **QUICK)
        on(stop.click, Asker.stop, {"self": mine}, **QUICK)
    client = TestClient(gr.mount_gradio_app(FastAPI(), page, path="/"))

    def press(button: int, session: str) -> None:
        body = {"fn_index": button, "data": [None], "session_hash": session}
        assert client.post(PREDICT, json=body).status_code == 200

    for session in ("here", "there"):
        press(0, session)
    press(1, "there")
    assert [run.stopping.is_set() for run in runs] == [False, True]
    press(1, "here")
    assert all(run.stopping.is_set() for run in runs)
