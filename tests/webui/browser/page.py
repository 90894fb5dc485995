"""The Caption tab as a person uses it: put a picture in, press, read, choose; each step waits for what it
needs."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from driver import CONTROL, ENTER, Browser, free_port, wait_for

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SLOW = 400  # seconds: loading torch on a busy machine
BOX = "`#clipcap_${arguments[0]} textarea, #clipcap_${arguments[0]} input`"
PANES = ("single", "batch", "folder", "models")


@contextmanager
def served(python: Path, models: Path, log: Path, *options: str) -> Iterator[str]:
    """The page's address while its server runs."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(python), str(HERE / "server.py"), str(port), str(models), *options]
    with open(log, "w") as stream:
        server = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent, env=environment
        )
    try:
        wait_for(lambda: answers(address, server), "the page's server", SLOW)
        yield address
    except AssertionError:
        sys.stderr.write(log.read_text()[-3000:])
        raise
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:  # a test failed and left work in it that does not end
            server.kill()
            server.wait()


def answers(address: str, server: subprocess.Popen[bytes] | None = None) -> bool:
    """Whether a page is served there; AssertionError if the server's process has ended."""
    assert server is None or server.poll() is None, "the page's server ended"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


class Page:
    """The tab in a browser."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address

    def open(self, forget: bool = True) -> None:
        """(Re)load the page; `forget` what the browser remembers of earlier choices."""
        if forget:
            if not self.browser.address().startswith(self.address):
                self.browser.open(self.address)
            self.browser.run("localStorage.clear()")
        self.browser.open(self.address)
        self.browser.find("#clipcap_run")
        wait_for(
            lambda: self.browser.run("return window.clipcap_restored === true"), "the page to be up", SLOW
        )
        self.unfold("decoding", "strategy")

    def unfold(self, name: str, inside: str) -> None:
        """Open a fold: from gradio 6 on what is in it is not in the page before."""
        there = "return document.getElementById('clipcap_' + arguments[0]) !== null"
        if not self.browser.run(there, inside):
            self.browser.run(f"document.querySelector('#clipcap_{name} button').click()")
            wait_for(lambda: self.browser.run(there, inside), f"{name} to open")

    def open_fold(self, name: str, inside: str) -> None:
        """Open a fold that may be in the page and closed, until what is inside is to be seen."""
        seen = "return document.getElementById('clipcap_' + arguments[0])?.offsetParent != null"
        if not self.browser.run(seen, inside):
            self.browser.run(f"document.querySelector('#clipcap_{name} .label-wrap').click()")
            wait_for(lambda: self.browser.run(seen, inside), f"{name} to open")

    def text(self, name: str) -> str:
        """What an element shows."""
        return self.browser.run(
            "return document.getElementById('clipcap_' + arguments[0])?.innerText || ''", name
        )

    def value(self, name: str) -> str:
        """What a text box or number holds."""
        return self.browser.run(f"return document.querySelector({BOX}).value", name)

    def value_of(self, name: str) -> str:
        """What a slider's number box holds."""
        return self.browser.run(
            "return document.querySelector(`#clipcap_${arguments[0]} input[type=number]`).value", name
        )

    def pane(self, name: str) -> None:
        """Open one of the four panes."""
        script = (
            "const bar = document.querySelector('#clipcap_panes .tab-nav, #clipcap_panes [role=tablist]');"
            "bar.querySelectorAll('button')[arguments[0]].click()"
        )
        self.browser.run(script, PANES.index(name))
        wait_for(
            lambda: self.browser.run(
                "return document.getElementById('clipcap_pane_' + arguments[0])?.offsetParent != null", name
            ),
            name,
        )

    def enabled(self, name: str) -> bool:
        """Whether a button, or every input of a control, can be used."""
        script = (
            "const found = document.getElementById('clipcap_' + arguments[0]);"
            "const parts = found.tagName === 'BUTTON' ? [found] : [...found.querySelectorAll('input, "
            "textarea')];return parts.length > 0 && parts.every((part) => !part.disabled)"
        )
        return self.browser.run(script, name)

    def press(self, name: str) -> None:
        """Press a button once it can be pressed."""
        wait_for(lambda: self.enabled(name), f"{name} to be enabled", SLOW)
        script = (
            "const found = document.getElementById('clipcap_' + arguments[0]);"
            "(found.tagName === 'BUTTON' ? found : found.querySelector('button')).click()"
        )
        self.browser.run(script, name)

    def choose(self, name: str, place: int) -> None:
        """Choose one of a radio's options."""
        script = (
            "document.querySelectorAll(`#clipcap_${arguments[0]} input[type=radio]`)[arguments[1]].click()"
        )
        self.browser.run(script, name, place)

    def set_number(self, name: str, number: float) -> None:
        """Type a number into a slider's or number's box."""
        script = (
            "const box = document.querySelector(`#clipcap_${arguments[0]} input[type=number]`);"
            "box.value = arguments[1];"
            "for (const kind of ['input', 'change', 'blur']) box.dispatchEvent(new Event(kind, {bubbles: "
            "true}))"
        )
        self.browser.run(script, name, str(number))

    def write(self, name: str, text: str) -> None:
        """Put a text into a box, as typing does."""
        script = (
            f"const box = document.querySelector({BOX}); box.value = arguments[1];"
            "box.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        self.browser.run(script, name, text)

    def put(self, name: str, files: Sequence[Path]) -> None:
        """Give files to a box."""
        self.browser.send(f"#clipcap_{name} input[type=file]", "\n".join(map(str, files)))

    def drop(self, name: str, file: Path) -> None:
        """Drop a file onto a box, as from a folder's window."""
        script = (
            "const bytes = Uint8Array.from(atob(arguments[1]), (letter) => letter.charCodeAt(0));"
            "const data = new DataTransfer();"
            "data.items.add(new File([bytes], arguments[2], {type: 'image/jpeg'}));"
            "const box = document.querySelector(`#clipcap_${arguments[0]} input[type=file]`).parentElement;"
            "for (const kind of ['dragenter', 'dragover', 'drop'])"
            "box.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}))"
        )
        self.browser.run(script, name, base64.b64encode(file.read_bytes()).decode(), file.name)

    def choose_model(self, name: str) -> None:
        """Open the list of models and take one."""
        entries = "[...document.querySelectorAll('#clipcap_model li, ul.options li')]"
        opening = "const box = document.querySelector('#clipcap_model input'); box.focus();"
        self.browser.run(opening + "box.dispatchEvent(new Event('focus'))")
        wait_for(lambda: self.browser.run(f"return {entries}.length") >= 2, "the list of models")
        taking = f"{entries}.find((one) => one.innerText.includes(arguments[0]))"
        self.browser.run(taking + ".dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))", name)
        wait_for(lambda: self.value("model").startswith(name), f"the model {name}")

    def ask_too(self, name: str) -> None:
        """Choose one more model to ask."""
        self.open_fold("others_fold", "others")
        opening = "const box = document.querySelector('#clipcap_others input'); box.focus();"
        self.browser.run(opening + "box.dispatchEvent(new Event('focus'))")
        entries = "[...document.querySelectorAll('#clipcap_others li, ul.options li')]"
        wanted = f"{entries}.find((one) => one.innerText.trim().replace('✓', '').trim() === arguments[0])"
        wait_for(lambda: self.browser.run(f"return {wanted} !== undefined", name), f"{name} to be offered")
        self.browser.run(wanted + ".dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))", name)
        self.browser.run("document.querySelector('#clipcap_others input').blur()")
        wait_for(lambda: name in self.text("others"), f"{name} to be chosen")

    def caption(self, keys: bool = False) -> str:
        """Caption the picture and give back the text, once it is there."""
        self.browser.run("document.querySelector('#clipcap_status .clipcap_state').dataset.old = '1'")
        if keys:
            wait_for(lambda: self.enabled("run"), "Caption to be enabled", SLOW)
            self.browser.keys(CONTROL, ENTER)
        else:
            self.press("run")
        anew = "return document.querySelector('#clipcap_status .clipcap_state').dataset.old !== '1'"
        wait_for(lambda: self.browser.run(anew), "captioning to begin", SLOW)
        wait_for(lambda: self.enabled("run") and not self.enabled("stop"), "captioning to end", SLOW)
        wait_for(lambda: " ms" in self.text("status"), "a caption", SLOW)
        return self.value("caption")

    def candidates(self) -> list[str]:
        """The candidates' labels, best first."""
        labels = "[...document.querySelectorAll('#clipcap_candidates label')]"
        script = f"return {labels}.map((one) => one.innerText.trim())"
        return self.browser.run(script)

    def judged(self, caption: str, seconds: float = 60) -> list[str]:
        """The words of the caption in the box, once they are judged, each with what is left without it."""
        fresh = "document.querySelector('#clipcap_judged .clipcap_judged:not(.clipcap_outdated)')"
        of = f"return {fresh}?.dataset.clipcapOf"
        wait_for(lambda: self.browser.run(of) == caption, f"the judgement of {caption}", seconds)
        words = "[...document.querySelectorAll('#clipcap_judged [data-clipcap-without]')]"
        return self.browser.run(f"return {words}.map((word) => word.dataset.clipcapWithout)")

    def drop_word(self, place: int) -> None:
        """Click a word of the judged caption."""
        words = "document.querySelectorAll('#clipcap_judged [data-clipcap-without]')"
        self.browser.run(f"{words}[arguments[0]].click()", place)
