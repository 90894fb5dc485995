"""The steps of the walk, each as a person does it; one that returns was seen to work and says what it saw."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from driver import wait_for
from kinds import Maker, Target
from outcomes import NotThere
from webui_page import SLOW, HostPage

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "clipcap_ext" / "examples" / "photographer.jpg"  # of which the bundled model is sure
KEY = "ClipCap caption"
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


def make(page: HostPage, maker: Maker) -> str:
    """Press a maker's button, wait for a new picture in its gallery, and give what is told of our caption in
    the files that were written."""
    before, began = page.pictures(maker.gallery), time.time()
    page.press(maker.button)
    wait_for(lambda: page.pictures(maker.gallery) not in ([], before), f"a picture in {maker.gallery}", SLOW)
    time.sleep(3)  # sidecars follow the picture
    written = [path for path in page.folder.glob("output*/**/*.*") if path.stat().st_mtime >= began]
    return " ".join(filter(None, map(told_in, written)))


def told_in(path: Path) -> str:
    """A sidecar's text, or our line in a picture's infotext: Latin letters in a PNG, UTF-16 in a JPEG."""
    data = path.read_bytes()
    if path.suffix == ".txt":
        return data.decode()
    for letters in ("utf-8", "utf-16-be", "utf-16-le"):
        place = data.find(KEY.encode(letters))
        if place >= 0:
            return re.match(r"[ -~]*", data[place : place + 300].decode(letters, "ignore"))[0]
    return ""


def extras(page: HostPage) -> str:
    """Extras with our caption switched on leaves the caption beside the picture it makes, or in it."""
    maker = page.kind.extras
    page.tab(maker.tab)
    page.give(maker.picture, PHOTO)
    page.switch_on("#extras_clipcap_accordion")
    return made_with_caption(page, maker)


def made_with_caption(page: HostPage, maker: Maker) -> str:
    """A picture of which the model is not sure, as of a random checkpoint's, gets none, and the log says
    so."""
    size = page.log.stat().st_size
    said = make(page, maker)
    logged = page.log.read_bytes()[size:].decode(errors="replace")
    lines = [line for line in logged.splitlines() if "no caption is kept" in line]
    assert said or lines, "neither a caption nor a word in the log"
    return said or lines[0].strip()[:160]


def gallery_button(of: str) -> Step:
    """The button beside a gallery brings its picture into our tab, in place of the one that is there."""

    def step(page: HostPage) -> str:
        maker = page.kind.extras if of == "extras" else page.kind.txt2img
        page.tab(maker.tab)
        if not page.pictures(maker.gallery):
            raise NotThere("no picture was made to send")
        name = maker.gallery.removeprefix("#").removesuffix("_gallery")
        before = page.pictures("#clipcap_image")
        page.press(f"#{name}_send_to_clipcap")
        page.shows("#clipcap_root")
        wait_for(lambda: page.pictures("#clipcap_image") not in ([], before), "its picture in our tab", 60)
        wait_for(lambda: page.ours.enabled("run"), "Caption to be enabled", 60)
        return page.ours.text("status")

    return step


def generated_caption(page: HostPage) -> str:
    """A generated picture carries its caption in the infotext, where our script is switched on."""
    maker = page.kind.txt2img
    page.tab(maker.tab)
    if not any(page.folder.glob("models/Stable-diffusion/*.*t*s")) and not any(
        page.folder.glob("models/Diffusers/*")
    ):
        raise NotThere("no checkpoint to generate with")
    name = maker.gallery.removeprefix("#").removesuffix("_gallery")
    fold = f"[id*={name}][id$=clipcap_accordion]"
    if not page.there(fold):
        raise NotThere("the host admits no such script to this tab")
    for slider, number in maker.numbers.items():
        page.set_number(slider, number)
    if page.kind.scripts:
        page.tab(page.kind.scripts)
    page.switch_on(fold)
    return made_with_caption(page, maker)


def interrogate(page: HostPage) -> str:
    """Where the host lost its own interrogate button, ours fills the prompt of img2img."""
    if page.browser.run("return document.getElementById('clipcap_interrogate') === null"):
        raise NotThere("the host has a button of its own")
    target = next(target for target in page.kind.targets if target.name == "img2img")
    page.open_ours()
    page.ours.put("image", [PHOTO])
    page.ours.write("caption", KEPT)
    page.ours.press(f"send_{target.name}")
    page.shows(target.picture)
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
