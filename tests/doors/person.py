"""Somebody with an empty home and the installed package, who types commands; not a test."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from package import Installed

SECONDS = 900  # for one command, on a busy machine
PLACE = re.compile(r"http://[\d.]+:\d+/")
QUESTION = b"[y/N]"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    words: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.words}\n{self.out}\n{self.err}\n(exit code {self.code})"


@dataclass(frozen=True)
class Person:
    """home: an empty folder, so every default folder is one nobody chose. said: what the person has set."""

    package: Installed
    home: Path
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a login shell gives a command, nothing of this test run's; no network beyond this machine."""
        programs = f"{self.package.programs}{os.pathsep}{os.defpath}{os.pathsep}/usr/bin:/bin"
        nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy")}
        return {"PATH": programs, "HOME": str(self.home), "LANG": "C.UTF-8", "BROWSER": "true",
                "no_proxy": "127.0.0.1,localhost", **nowhere, **self.said}  # fmt: skip

    def types(self, words: str, folder: Path, answer: str = "") -> Ran:
        """Run a shell line in a folder. answer: what is typed when a question comes, at a terminal then."""
        if answer:
            return self._at_a_terminal(words, folder, answer)
        ran = subprocess.run(
            ["bash", "-c", words], cwd=folder, env=self.environment, capture_output=True, text=True,
            timeout=SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ran(words, ran.returncode, ran.stdout, ran.stderr)

    @contextmanager
    def serves(self, words: str, folder: Path) -> Iterator[str]:
        """Run a shell line that serves a page; its address, once it answers. Ended by Ctrl+C."""
        with open(folder / "server.log", "wb") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {words}"], cwd=folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield _address_of(server, folder / "server.log")
        finally:
            server.terminate()
            server.wait(60)

    def _at_a_terminal(self, words: str, folder: Path, answer: str) -> Ran:
        ours, theirs = pty.openpty()
        typed = subprocess.Popen(
            ["bash", "-c", words], cwd=folder, env=self.environment,
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal is gone once the command is
            while read := os.read(ours, 4096):
                shown += read
                if read.rstrip().endswith(QUESTION):
                    os.write(ours, answer.encode() + b"\n")
        os.close(ours)
        return Ran(words, typed.wait(SECONDS), shown.decode(), "")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _address_of(server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, f"it ended:\n{log.read_text()}"
        found = PLACE.search(log.read_text())
        if found:
            with suppress(OSError), urllib.request.urlopen(found[0], timeout=30):
                return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no page came:\n{log.read_text()}")
