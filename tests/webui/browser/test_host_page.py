"""The tab inside a page of somebody else's: it writes the prompt that is sent to, and nothing else there."""

from __future__ import annotations

from pathlib import Path

from driver import ENTER, wait_for
from page import SLOW, Page


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


def test_nothing_moves_when_candidates_come_and_long_ones_scroll(host_page: Page, pictures: Path) -> None:
    page = host_page
    top = "return document.getElementById('clipcap_send').getBoundingClientRect().top + window.scrollY"
    page.choose("strategy", 1)
    wait_for(lambda: page.enabled("num_beams"), "beams")
    page.set_number("num_beams", 8)
    page.set_number("num_candidates", 8)
    page.set_number("max_new_tokens", 60)
    places = {"empty": page.browser.run(top)}
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    places["ready"] = page.browser.run(top)
    page.press("run")
    wait_for(lambda: page.enabled("stop") or " ms" in page.text("status"), "the run")
    places["running"] = page.browser.run(top)
    wait_for(lambda: " ms" in page.text("status"), "the caption", SLOW)
    assert len(page.candidates()) > 3
    places["captioned"] = page.browser.run(top)
    assert max(places.values()) - min(places.values()) < 1, places


def test_the_keyboard_reaches_the_picture_and_the_folds(host_page: Page) -> None:
    page = host_page
    page.browser.run(
        "window.opened = 0; const open = HTMLInputElement.prototype.click;"
        "HTMLInputElement.prototype.click = function () { window.opened += this.type === 'file'; };"
    )
    zone = "document.querySelector('#clipcap_image input[type=file]').parentElement"
    page.browser.run(f"{zone}.focus()")
    assert page.browser.run(f"return document.activeElement === {zone}")
    page.browser.keys(ENTER)
    wait_for(lambda: page.browser.run("return window.opened") > 0, "the file dialogue")
    head = "document.querySelector('#clipcap_decoding .label-wrap')"
    shown = "return document.querySelector('#clipcap_strategy')?.offsetParent != null"
    before = page.browser.run(shown)
    page.browser.run(f"{head}.focus()")
    assert page.browser.run(f"return document.activeElement === {head}")
    page.browser.keys(ENTER)
    wait_for(lambda: page.browser.run(shown) != before, "the fold to change")


def test_a_picture_on_its_way_is_told_of_at_once(host_page: Page, pictures: Path) -> None:
    page = host_page
    page.browser.run(
        "window.told = []; const status = document.getElementById('clipcap_status');"
        "new MutationObserver(() => window.told.push(status.dataset.clipcapReading || ''))"
        ".observe(status, {attributes: true, attributeFilter: ['data-clipcap-reading']})"
    )
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    wait_for(lambda: page.browser.run("return window.told") == ["Reading the picture", ""], "what was told")


# SD.Next's modern page, as far as our script looks at it: its own tabs, and rows of buttons filled by name.
MODERN = """
document.body.insertAdjacentHTML("beforeend", `
    <div id="tab_sdnext_uiux_core"></div>
    <button id="control_nav" onclick="window.shown.push('Images')"></button>
    <button tabItemId="#split-app, #tab_clipcap_tabitem" onclick="window.shown.push('ours')">CL</button>
    <div id="control_tabitem"><div class="row">
        <button class="sd-button"></button><button class="sd-button" data-click="#caption_nav"></button>
    </div></div>
    <div id="extras_tabitem"><div class="column">
        <div data-parent-selector="#tab_process" data-selector="#postprocess_upscale_accordion .gap"></div>
    </div></div>
    <div hidden><button id="control_send_to_clipcap"></button><div id="extras_clipcap_accordion"></div></div>
`);
window.shown = [];
window.switch_to_control = () => window.shown.push("the hidden tab");
window.loadFromURL = (source) => window.shown.push(source.slice(0, 5));
"""


def test_on_the_modern_page_of_sdnext_ours_is_where_a_person_looks(host_page: Page) -> None:
    page = host_page
    page.browser.run(MODERN)
    page.browser.run("clipcap_lay_out()")
    last = "return document.querySelector(`${arguments[0]} > :last-child`).id"
    assert page.browser.run(last, "#control_tabitem .row") == "control_send_to_clipcap"
    assert page.browser.run(last, "#extras_tabitem .column") == "extras_clipcap_accordion"
    page.browser.run("clipcap_show('control')")
    assert shown(page) == ["the hidden tab", "Images"]
    page.browser.run("switch_to_clipcap()")
    assert shown(page)[2:] == ["ours"]


def test_the_drawing_board_is_given_the_picture_only_where_it_is_wanted(
    host_page: Page, pictures: Path
) -> None:
    page = host_page
    page.browser.run(MODERN)
    page.browser.run("clipcap_draw({ wanted: true })")
    assert shown(page) == [], "there is no picture yet"
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    page.browser.run("clipcap_draw({ wanted: false })")
    assert shown(page) == []
    page.browser.run("clipcap_draw({ wanted: true })")
    assert len(shown(page)) == 1
