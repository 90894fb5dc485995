"""The tab inside a page of somebody else's: it writes the prompt that is sent to, and nothing else there."""

from __future__ import annotations

from pathlib import Path

from driver import wait_for
from page import Page


def shown(page: Page) -> list[str]:
    return page.browser.run("return window.shown")


def test_sending_writes_the_prompt_the_picture_and_nothing_else(host_page: Page, pictures: Path) -> None:
    page = host_page
    noting = "window.shown = []; for (const name of ['txt2img', 'img2img', 'inpaint'])"
    page.browser.run(noting + "window['switch_to_' + name] = () => window.shown.push(name)")
    assert page.browser.run("return document.getElementById('clipcap_pane_folder')") is None
    assert not page.enabled("send_txt2img") and not page.enabled("unsend")
    page.write("txt2img_prompt", "mine")
    page.write("caption", "a (red) dog")
    page.press("send_txt2img")
    wait_for(lambda: page.value("txt2img_prompt") == r"a \(red\) dog", "the replaced prompt")
    wait_for(lambda: shown(page) == ["txt2img"], "the host's tab")
    page.press("unsend")
    wait_for(lambda: page.value("txt2img_prompt") == "mine", "the prompt as it was")
    page.choose("send_mode", 1)
    page.press("send_txt2img")
    wait_for(lambda: page.value("txt2img_prompt") == r"mine, a \(red\) dog", "the longer prompt")
    page.choose("send_mode", 2)
    page.put("image", [pictures / "generated.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    page.write("img2img_prompt", "theirs")
    page.press("send_img2img")
    wait_for(lambda: page.value("img2img_prompt") == r"a \(red\) dog, theirs", "the other prompt")
    wait_for(lambda: (page.value_of("width"), page.value_of("height")) == ("64", "48"), "the picture's size")
    there = "return document.querySelector('#clipcap_target_image img') !== null"
    wait_for(lambda: page.browser.run(there), "the picture")
    assert page.value("negative") == "ugly"
    assert page.value("txt2img_prompt") == r"mine, a \(red\) dog"
    page.press("unsend")
    wait_for(lambda: page.value("img2img_prompt") == "theirs", "the prompt before")
    wait_for(lambda: not page.browser.run(there), "no picture, as before")
    wait_for(lambda: "Given back to img2img" in page.text("status"), "what came back")
    page.press("send_img2img")
    wait_for(lambda: page.value("img2img_prompt") == r"a \(red\) dog, theirs", "the prompt again")
    page.set_number("width", 512)
    page.browser.run("document.querySelector('#clipcap_with_picture input').click()")
    page.press("send_img2img")
    wait_for(lambda: page.value("img2img_prompt").endswith(r"a \(red\) dog, theirs"), "the prompt once more")
    assert page.value_of("width") == "512"
    page.write("caption", "")
    wait_for(lambda: not page.enabled("send_img2img"), "nothing to send")


def test_a_picture_sent_here_is_to_be_seen_whatever_pane_was_open(host_page: Page) -> None:
    page = host_page
    visible = "return document.getElementById('clipcap_image').offsetParent !== null"
    page.pane("batch")
    wait_for(lambda: not page.browser.run(visible), "the other pane")
    assert page.browser.run("return switch_to_clipcap('handed', 'on')") == ["handed", "on"]
    wait_for(lambda: page.browser.run(visible), "the picture's pane")
