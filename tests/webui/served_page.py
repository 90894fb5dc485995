"""The Caption tab's page asked over HTTP as a browser asks it, from gradio 4 on; not a test.

A press sends the values of the button's inputs, a picture first uploaded, and reads the answers as they come.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS = 300  # for one answer: the first press loads torch


class ServedPage:
    """A page at `address`, which ends with a slash."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.html = self._ask("").decode()
        self.config: dict[str, Any] = json.loads(self._ask("config"))
        self._prefix = self.config.get("api_prefix", "").strip("/")
        self._prefix += "/" if self._prefix else ""
        self._session = uuid.uuid4().hex[:12]

    def component(self, elem_id: str) -> dict[str, Any]:
        """The component with that name in the page."""
        (found,) = [one for one in self.config["components"] if one["props"].get("elem_id") == elem_id]
        return found

    def upload(self, path: Path) -> dict[str, Any]:
        """Give the page a file; the value that stands for it."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        (place,) = json.loads(self._ask(f"{self._prefix}upload", body, kind))
        return {"path": place, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def press(self, elem_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """Press a button; what every component it changes shows in the end, by name.

        values: of its inputs, by name; the others are as the page begins.
        """
        button = self.component(elem_id)["id"]
        clicks = [one for one in self.config["dependencies"] if [button, "click"] in _targets(one)]
        (event,) = [one for one in clicks if one.get("backend_fn")]
        inputs = [self._input(number, values) for number in event["inputs"]]
        body = {"data": inputs, "fn_index": self._index(event), "session_hash": self._session,
                "trigger_id": button, "event_data": None}  # fmt: skip
        kind = {"Content-Type": "application/json"}
        self._ask(f"{self._prefix}queue/join", json.dumps(body).encode(), kind)
        answer = next(one for one in self._messages() if one["msg"] == "process_completed")
        assert answer["success"], answer
        names = [self._name(number) for number in event["outputs"]]
        return dict(zip(names, answer["output"]["data"], strict=True))

    def _input(self, number: int, values: dict[str, Any]) -> Any:
        name = self._name(number)
        if name in values:
            return values[name]
        (found,) = [one for one in self.config["components"] if one["id"] == number]
        return found["props"].get("value")

    def _name(self, number: int) -> str:
        (found,) = [one for one in self.config["components"] if one["id"] == number]
        return found["props"].get("elem_id") or str(number)

    def _index(self, event: dict[str, Any]) -> int:
        return event.get("id", self.config["dependencies"].index(event))

    def _messages(self) -> Iterator[dict[str, Any]]:
        path = f"{self._prefix}queue/data?session_hash={self._session}"
        with urllib.request.urlopen(self.address + path, timeout=SECONDS) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    def _ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        request = urllib.request.Request(self.address + path, body, headers or {})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()


def _targets(event: dict[str, Any]) -> list[list[Any]]:
    """What an event listens to: [component, what happens to it]."""
    return [list(target) for target in event["targets"]]
