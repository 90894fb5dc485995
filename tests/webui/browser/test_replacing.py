"""Pictures are replaced at random moments, in the middle of runs, and no caption ever stands under another
picture than its own. CLIPCAP_REPLACEMENTS says how many times, for each gradio."""

from __future__ import annotations

import base64
import io
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driver import wait_for
from page import SLOW, Page
from PIL import Image

REPLACEMENTS = int(os.environ.get("CLIPCAP_REPLACEMENTS", "40"))
ROUND = 10  # replacements between two looks at the page at rest
SETTLED = 60  # seconds until a page left alone says what is right, on a busy machine
SCRIPT = (Path(__file__).resolve().parent / "replacing.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wide() -> dict[int, bytes]:
    """Pictures that differ in their widths, so that a page tells which one it shows."""
    drawn = random.Random(7)
    made = {}
    for width in range(40, 160, 10):
        colours = [tuple(drawn.randrange(256) for _ in range(3)) for _ in range(16)]
        small = Image.new("RGB", (4, 4))
        small.putdata(colours)
        stream = io.BytesIO()
        small.resize((width, 48), Image.Resampling.NEAREST).save(stream, "PNG")
        made[width] = stream.getvalue()
    return made


def seen(page: Page) -> dict[str, Any]:
    """The width of the picture shown, the caption under it, the status, and whether a run can begin."""
    return json.loads(page.browser.run("return JSON.stringify(window.replacing.seen())"))


def captions_alone(page: Page, wide: dict[int, bytes], count: int) -> dict[int, str]:
    """What is said of each of `count` pictures with nothing else going on; no two alike."""
    said: dict[int, str] = {}
    for width in wide:
        page.browser.run("window.replacing.put(arguments[0], 0)", width)
        wait_for(lambda width=width: seen(page)["width"] == width, "the picture", SLOW)
        wait_for(lambda: "Ready" in page.text("status"), "the picture to be ready", SLOW)
        text = page.caption()
        if text not in said.values():
            said[width] = text
        if len(said) == count:
            return said
    raise AssertionError(f"only {len(said)} captions differ")


def one_round(drawn: random.Random, widths: Sequence[int]) -> list[list[Any]]:
    """What is done to the page and when: [milliseconds to wait, what, width, milliseconds after the X]."""
    steps: list[list[Any]] = []
    for _ in range(ROUND):
        if drawn.random() < 0.7:
            steps.append([drawn.choice((0, 30, 100, 300)), "press", 0, 0])
        if drawn.random() < 0.2:
            steps.append([drawn.randrange(300), "clear", 0, 0])
        gap = drawn.choice((0, 0, 20, 100))
        steps.append([drawn.randrange(600), "put", drawn.choice(widths), gap])
    if drawn.random() < 0.3:
        steps.append([drawn.randrange(300), "clear", 0, 0])
    return [*steps, [drawn.randrange(300), "press", 0, 0]]


def fits(now: dict[str, Any], said: dict[int, str]) -> bool:
    """Whether what the page says is of the picture that it shows."""
    width, caption, status = now["width"], now["caption"], now["status"]
    if now["busy"]:
        return False
    if not width:
        return not caption and "No picture yet" in status and not now["able"] and not now["candidates"]
    if caption:
        told = " ms" in status or "Ready" in status
        return said[width] == caption and now["able"] and told and now["candidates"] > 0
    return "Ready" in status and now["able"] and not now["candidates"]


def settle(page: Page, said: dict[int, str]) -> None:
    """Wait for a page, left alone, that fits the picture it shows."""
    try:
        wait_for(lambda: fits(seen(page), said), "a page that fits its picture", SETTLED)
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen(page)}, of {said}") from None


def test_no_caption_stands_under_another_picture(page: Page, wide: dict[int, bytes]) -> None:
    pictures = {width: base64.b64encode(content).decode() for width, content in wide.items()}
    page.browser.run(SCRIPT + "; window.replacing = replacing(arguments[0])", pictures)
    said = captions_alone(page, wide, 5)
    page.browser.run("window.replacing.watch(arguments[0])", said)
    drawn = random.Random(11)
    for _ in range(REPLACEMENTS // ROUND):
        page.browser.run("window.replacing.go(arguments[0])", one_round(drawn, list(said)))
        wait_for(lambda: page.browser.run("return window.replacing.done"), "the round", SLOW)
        settle(page, said)
        page.browser.run("window.replacing.done = false; setTimeout(() => window.replacing.done = true, 700)")
        wait_for(lambda: page.browser.run("return window.replacing.done"), "late answers")
        settle(page, said)  # a late answer may blank the status for a moment, and must leave the page right
    wrong = page.browser.run("window.replacing.watching = false; return window.replacing.wrong")
    frames = page.browser.run("return window.replacing.frames")
    assert wrong == [], f"{len(wrong)} of {frames} frames showed another picture's caption"
    gradios = ("AbortError", "iframe-resizer")  # an upload that an X cut off; see conftest.py
    assert [line for line in page.browser.errors() if not any(word in line for word in gradios)] == []
