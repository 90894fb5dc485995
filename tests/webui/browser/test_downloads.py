"""Downloads in a real browser, from both panes: chosen, started, failed with the reason, free for the
next."""

from __future__ import annotations

from pathlib import Path

from driver import wait_for
from page import SLOW, Page

PAPER = "clipcap-flickr8k-gradient"
ENTRIES = "[...document.querySelectorAll('#clipcap_fetchable li, ul.options li')]"


def choose_download(page: Page, name: str) -> None:
    """Choose it in the list, again where the list was drawn anew under the click."""
    opening = "const box = document.querySelector('#clipcap_fetchable input'); box.focus();"
    taking = f"{ENTRIES}.find((one) => one.innerText.includes(arguments[0]))"
    shown = "return document.querySelector('#clipcap_fetchable input').value"

    def chosen() -> bool:
        page.browser.run(opening + "box.dispatchEvent(new Event('focus'))")
        wait_for(
            lambda: page.browser.run(f"return {ENTRIES}.length") >= 2, "the list of what can be fetched", SLOW
        )
        page.browser.run(f"{taking}?.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true}}))", name)
        try:
            return bool(wait_for(lambda: name in page.browser.run(shown), f"{name} to be shown", 5))
        except AssertionError:
            return False

    wait_for(chosen, f"{name} to be chosen", SLOW)


def test_a_download_that_fails_says_why_and_how_to_do_without(page: Page) -> None:
    page.pane("models")
    wait_for(lambda: "sbg-flickr8k" in page.text("models"), "the published models in the table", SLOW)
    assert not page.enabled("fetch") and not page.enabled("remove") and not page.enabled("fetch_cancel")
    choose_download(page, PAPER)
    wait_for(lambda: "from the Hub, kept in" in page.text("fetch_status"), "what it takes", SLOW)
    page.press("fetch")  # the page's server is told to stay offline
    wait_for(lambda: "HF_HUB_OFFLINE is set" in page.browser.run(
        "return document.getElementById('clipcap_fetch_status').textContent"), "the reason",
        SLOW)  # fmt: skip
    told = page.browser.run("return document.getElementById('clipcap_fetch_status').textContent")
    assert "By hand" in told and "flickr8k_gradient.pt" in told
    wait_for(lambda: not page.enabled("fetch_cancel"), "Cancel to be off again", SLOW)
    assert page.enabled("fetch"), "it stays chosen, another press tries again"
    assert page.browser.run("return document.querySelector('#clipcap_fetchable input').value") == PAPER


def test_a_card_fetches_its_model(page: Page) -> None:
    page.pane("models")
    button = f".clipcap_choose[data-clipcap-fetch='{PAPER}']"
    assert page.browser.run(f'return document.querySelector("{button}").innerText') == "Download"
    page.browser.run(f'document.querySelector("{button}").click()')
    told = "return document.getElementById('clipcap_fetch_status').textContent"
    wait_for(lambda: "HF_HUB_OFFLINE is set" in page.browser.run(told), "the reason", SLOW)


def test_a_model_that_is_not_here_is_offered_and_one_press_would_fetch_it(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    said = "return document.getElementById('clipcap_run').innerText.trim()"
    assert page.browser.run(said) == "Caption"
    page.choose_model(PAPER)
    wait_for(lambda: page.browser.run(said) == "Download and caption", "the button's word", SLOW)
    wait_for(lambda: "from the Hub, kept in" in page.text("facts"), "what it takes", SLOW)
    page.press("run")  # the page's server is told to stay offline
    told = "return document.getElementById('clipcap_status').textContent"
    wait_for(lambda: "HF_HUB_OFFLINE is set" in page.browser.run(told), "the reason", SLOW)
    wait_for(lambda: page.enabled("run") and not page.enabled("stop"), "the button to be free again", SLOW)
    page.choose_model("tiny-clipcap")
    wait_for(lambda: page.browser.run(said) == "Caption", "the button's word", SLOW)
    assert page.caption()
