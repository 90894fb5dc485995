"""A real Chromium through chromedriver's own protocol (W3C WebDriver over HTTP), by the standard library
alone."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
CONTROL, ENTER, ESCAPE = "\ue009", "\ue007", "\ue00c"


def browser_paths() -> tuple[str, str] | None:
    """(chromium, chromedriver), None where one is missing."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(check: Callable[[], Any], what: str, seconds: float = 240) -> Any:
    """The first true answer of `check`; AssertionError naming `what` if none comes."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.1)


class Browser:
    """One headless window; close it when done."""

    def __init__(self, downloads: Path, width: int = 1280, height: int = 1000) -> None:
        paths = browser_paths()
        assert paths is not None
        port = free_port()
        self._driver = subprocess.Popen(
            [paths[1], f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._base = f"http://127.0.0.1:{port}"
        wait_for(self._ready, "chromedriver")
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
            f"--window-size={width},{height}", "--disable-background-networking", "--no-first-run",
        ]  # fmt: skip
        preferences = {
            "download.default_directory": str(downloads),
            "profile.default_content_setting_values.automatic_downloads": 1,  # several without asking
        }
        options = {
            "binary": paths[0], "args": arguments, "prefs": preferences,
        }  # fmt: skip
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/session/{session['sessionId']}"

    def close(self) -> None:
        """Close the window and end the driver."""
        try:
            self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(20)

    def be_patient(self, seconds: int) -> None:
        """Let a page and a script take that long."""
        milliseconds = 1000 * seconds
        self._ask("POST", "/timeouts", {"script": milliseconds, "pageLoad": milliseconds})

    def open(self, address: str) -> None:
        """Go to a page."""
        self._ask("POST", "/url", {"url": address})

    def address(self) -> str:
        """Where it is."""
        return self._ask("GET", "/url")

    def window(self) -> str:
        """The handle of the window that everything here acts on."""
        return self._ask("GET", "/window")

    def new_window(self) -> str:
        """Open one more and act on it from now on."""
        self.act_on(self._ask("POST", "/window/new", {"type": "window"})["handle"])
        return self.window()

    def act_on(self, window: str) -> None:
        """Go to another window."""
        self._ask("POST", "/window", {"handle": window})

    def close_window(self) -> None:
        """Close the one acted on; `act_on` another afterwards."""
        self._ask("DELETE", "/window")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript (the body of a function of `arguments`) and give back what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> str:
        """The handle of the first element of that selector, waiting for it."""

        def look() -> str | None:
            found = self._ask("POST", "/elements", {"using": "css selector", "value": selector})
            return found[0][ELEMENT] if found else None

        return wait_for(look, selector)

    def send(self, selector: str, keys: str) -> None:
        """Type into an element, or give a file input its path."""
        self._ask("POST", f"/element/{self.find(selector)}/value", {"text": keys})

    def keys(self, *keys: str) -> None:
        """Press keys together on whatever has the focus."""
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def errors(self) -> list[str]:
        """What the page's console has said of errors since the last time it was asked."""
        lines = self._ask("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        """The window's visible part as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools protocol: dark mode, a phone's size."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(
            self._base + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=400) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(
                f"{method} {path}: {json.load(error)['value']['message'].splitlines()[0]}"
            ) from error
