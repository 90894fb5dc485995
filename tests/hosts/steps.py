"""The steps of the walk, each as a person does it; one that returns was seen to work and says what it saw."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from driver import wait_for
from kinds import Maker, Target
from outcomes import NotThere
from webui_page import SLOW, HostPage

ROOT = Path(__file__).resolve().parents[2]
PHOTO = next(iter(sorted((ROOT / "clipcap_ext" / "examples").glob("*.jpg"))))
KEPT = "a prompt that was there"
Step = Callable[[HostPage], str]


def tab_opens(page: HostPage) -> str:
    """Our tab is among the host's, and opens."""
    page.open_ours()
    return page.ours.text("model") or "open"


def caption_upload(page: HostPage) -> str:
    """A picture put in gives a caption with the bundled model."""
    page.open_ours()
    page.ours.put("image", [PHOTO])
    page.ours.press("run")
    return wait_for(lambda: page.ours.value("caption"), "a caption", SLOW)


def send_to(target: Target) -> Step:
    """Sending shows the host's tab with the caption in its prompt and the picture beside it."""

    def step(page: HostPage) -> str:
        page.write(target.prompt, KEPT)
        page.open_ours()
        caption = page.ours.value("caption")
        page.ours.press(f"send_{target.name}")
        wait_for(lambda: page.value(target.prompt) == caption, f"the caption in {target.prompt}", 30)
        page.shows(target.prompt)
        if target.picture:
            page.shows(target.picture)
        return caption

    return step


def undo_of(target: Target) -> Step:
    """Undo gives the prompt back that was there."""

    def step(page: HostPage) -> str:
        page.open_ours()
        page.ours.press("unsend")
        wait_for(lambda: page.value(target.prompt) == KEPT, "the prompt from before", 30)
        return wait_for(lambda: page.ours.text("status"), "a word of it")

    return step


def make(page: HostPage, maker: Maker) -> list[str]:
    """Press a maker's button and wait for a new picture in its gallery."""
    before = page.pictures(maker.gallery)
    page.press(maker.button)

    def made() -> list[str]:
        now = page.pictures(maker.gallery)
        return now if now and now != before else []

    found = wait_for(made, f"a picture in {maker.gallery}", SLOW)
    time.sleep(2)  # the infotext follows the picture
    return found


def extras(page: HostPage) -> str:
    """Extras with our caption switched on names the caption with the picture it makes."""
    maker = page.kind.extras
    page.tab(maker.tab)
    page.give(maker.picture, PHOTO)
    page.switch_on("#extras_clipcap_accordion")
    make(page, maker)
    return page.text(maker.infotext)[:200]


def gallery_button(of: str) -> Step:
    """The button beside a gallery brings its picture into our tab."""

    def step(page: HostPage) -> str:
        maker = page.kind.extras if of == "extras" else page.kind.txt2img
        page.tab(maker.tab)
        if not page.pictures(maker.gallery):
            raise NotThere("no picture was made to send")
        name = maker.gallery.removeprefix("#").removesuffix("_gallery")
        page.press(f"#{name}_send_to_clipcap")
        page.shows("#clipcap_root")
        wait_for(lambda: page.ours.enabled("run"), "the picture in our tab", 30)
        return page.ours.text("status")

    return step


def generated_caption(page: HostPage) -> str:
    """A generated picture carries its caption in the infotext, where our script is switched on."""
    maker = page.kind.txt2img
    page.tab(maker.tab)
    name = maker.gallery.removeprefix("#").removesuffix("_gallery")
    fold = f"[id*={name}][id$=clipcap_accordion]"
    if not page.there(fold):
        raise NotThere("the host admits no such script to this tab")
    page.switch_on(fold)
    make(page, maker)
    said = page.text(maker.infotext)
    assert "ClipCap caption" in said, f"no caption in the infotext: {said[:200]}"
    return said[said.index("ClipCap caption") :][:120]


def generate(page: HostPage) -> str:
    """The host itself makes a picture: what the next steps need, no step of ours."""
    page.tab(page.kind.txt2img.tab)
    return make(page, page.kind.txt2img)[0][-60:]


def interrogate(page: HostPage) -> str:
    """Where the host lost its own interrogate button, ours fills the prompt of img2img."""
    if page.browser.run("return document.getElementById('clipcap_interrogate') === null"):
        raise NotThere("the host has a button of its own")
    target = next(target for target in page.kind.targets if target.name == "img2img")
    page.tab(target.tab)
    page.write(target.prompt, "")
    page.press("#clipcap_interrogate")
    return wait_for(lambda: page.value(target.prompt), "words in the prompt", SLOW)


def rest(page: HostPage) -> str:
    """The REST route captions."""
    body = json.dumps({"image": base64.b64encode(PHOTO.read_bytes()).decode()}).encode()
    request = urllib.request.Request(
        page.address + "clipcap/v1/caption", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SLOW) as answer:
        return str(json.load(answer))[:160]


def reload_ui(page: HostPage) -> str:
    """After Reload UI the tab is there again and captions."""
    script = f"return typeof {page.kind.reload} === 'function'"
    if not page.browser.run(script):
        raise NotThere(f"the page has no {page.kind.reload}()")
    page.browser.run("window.clipcap_restored = 'before'")
    page.browser.run(f"document.querySelector('#settings_restart_gradio')?.click(); {page.kind.reload}()")
    wait_for(lambda: page.browser.run("return window.clipcap_restored !== 'before'"), "a new page", SLOW)
    page.open()
    return caption_upload(page)
