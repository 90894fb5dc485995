"""A host's page in a browser: tabs, buttons, boxes and galleries by selector, beside our tab's own Page."""

from __future__ import annotations

import time
from pathlib import Path

from driver import Browser, wait_for
from kinds import Kind
from page import Page

SLOW = 600  # seconds: a generation, a model's first load, on a busy machine
START = 1200  # seconds: SD.Next's page has 25000 elements
TAB = """
const seen = (one) => one.offsetParent !== null && getComputedStyle(one).visibility !== "hidden";
const buttons = [...document.querySelectorAll("#tabs > .tab-nav > button, #tabs button[role=tab]")];
const title = arguments[0].toLowerCase();
const found = buttons.filter(seen).find((one) => one.innerText.trim().toLowerCase() === title);
if (found) found.click();
return Boolean(found);
"""
SEEN = """
const seen = (one) => {
    const { width, height } = one.getBoundingClientRect();
    return one.offsetParent !== null && getComputedStyle(one).visibility !== "hidden" && width * height > 0;
};
return [...document.querySelectorAll(arguments[0])].find(seen) || null;
"""
UNFOLD = """
const above = [];
for (let one = document.querySelector(arguments[0])?.parentElement; one; one = one.parentElement) {
    above.unshift(...[...one.children].filter((part) => part.matches(".label-wrap:not(.open)")));
}
above.forEach((head) => head.click());
"""


class HostPage:
    """The page of the host in `folder`; `ours` is the Caption tab in it. All waits, and says for what."""

    def __init__(self, browser: Browser, address: str, kind: Kind, folder: Path, log: Path) -> None:
        self.browser, self.address, self.kind, self.folder, self.log = browser, address, kind, folder, log
        browser.be_patient(SLOW)
        self.ours = Page(browser, address)

    def open(self) -> None:
        """Load the page and wait until our tab is in it and its script has begun."""
        self.browser.open(self.address)
        wait_for(self._is_up, "the page with our script", START)
        size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.browser.devtools("Emulation.setDeviceMetricsOverride", **size)

    def _is_up(self) -> bool:
        """Asked seldom: a page that builds itself has better things to do."""
        time.sleep(3)
        up = "return window.clipcap_restored === true && document.querySelector('#splash') === null"
        return self.browser.run(up)

    def tab(self, title: str) -> None:
        """Press a tab that can be seen, by its title or, where its page shows none, by a selector."""
        if title[0] in "#[":
            return self.press(title)
        wait_for(lambda: self.browser.run(TAB, title), f"a visible tab {title}", 30)
        return None

    def open_ours(self) -> None:
        """Our tab, as a person opens it."""
        self.tab(self.kind.tab)
        self.shows("#clipcap_root")

    def seen(self, selector: str) -> bool:
        """Whether one of that selector can be seen."""
        return self.browser.run(SEEN, selector) is not None

    def shows(self, selector: str, seconds: float = 20) -> None:
        """Wait until one of that selector can be seen."""
        wait_for(lambda: self.seen(selector), f"{selector} to be seen", seconds)

    def press(self, selector: str) -> None:
        """Press the one that can be seen."""
        self.shows(selector)
        self.browser.run(f"const found = (function () {{{SEEN}}})(...arguments); found.click()", selector)

    def there(self, selector: str) -> bool:
        """Whether the page has one of that selector, seen or not."""
        return self.browser.run("return document.querySelector(arguments[0]) !== null", selector)

    def switch_on(self, fold: str) -> None:
        """Open a fold, and those it is in, and tick the box in it."""
        self.browser.run(UNFOLD, fold)
        box = f"{fold} input[type=checkbox]"
        if not self.seen(box):
            self.press(f"{fold} .label-wrap")
        self.press(box)

    def value(self, selector: str) -> str:
        """What a box holds."""
        return self.browser.run("return document.querySelector(arguments[0])?.value ?? ''", selector)

    def text(self, selector: str) -> str:
        """What the elements of that selector say, seen or not."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent).join(' ')"
        return self.browser.run(script, selector)

    def write(self, selector: str, text: str) -> None:
        """Put a text into a box, as typing does."""
        script = (
            "const box = document.querySelector(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        self.browser.run(script, selector, text)

    def set_number(self, selector: str, number: int) -> None:
        """Type a number into the box of a slider."""
        script = (
            "const box = document.querySelector(arguments[0] + ' input[type=number]');"
            "box.value = arguments[1];"
            "for (const kind of ['input', 'change', 'blur'])"
            " box.dispatchEvent(new Event(kind, {bubbles: true}))"
        )
        self.browser.run(script, selector, str(number))

    def give(self, selector: str, file: Path) -> None:
        """Give a file to the picture box of that selector."""
        self.browser.send(f"{selector} input[type=file]", str(file))

    def pictures(self, selector: str) -> list[str]:
        """The addresses of the pictures within."""
        script = (
            "return [...document.querySelectorAll(arguments[0] + ' img')].map((one) => one.src)"
            ".filter((one) => one && !one.endsWith('.svg'))"
        )
        return self.browser.run(script, selector)
