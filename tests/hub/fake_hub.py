"""A small Hugging Face Hub over HTTP, for the real client to talk to; it can be told to misbehave. Not a
test.

It speaks: /api/models/{repo}/revision/{rev}; HEAD and GET /{repo}/resolve/{rev}/{file}, with X-Repo-Commit
and ETag, and for LFS files X-Linked-Etag, X-Linked-Size and a redirect to /cdn/{sha256}; ranges with 206 and
Content-Range. It takes what is pushed: /api/repos/create, preupload, LFS batches and uploads, and commits.
Asked as a proxy is asked, with a whole address, it answers in the place of that host.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BLOCK = 16384
REPO, FILE = "someone/weights", "model.pt"
PAPER, SBG, COCO = "clipcap-flickr8k-gradient", "sbg-flickr8k", "clipcap-coco"
VIT_L, GPT2 = "timm/vit_large_patch14_clip_224.openai", "openai-community/gpt2"
CONTENT = bytes(range(256)) * 8192  # 2 MiB: eight chunks of the worker's


@dataclass
class Behaviour:
    """What the hub does wrong. Numbers of times count down; None or 0 is never.

    cut: (share of the body, times) after which the connection is closed. status: (code, times) instead of an
    answer,
    where: "api", "resolve" or "cdn". wrong_bytes: how many bodies are altered. bytes_per_second: 0 is full
    speed.
    """

    cut: tuple[float, int] = (0.0, 0)
    status: tuple[int, int] = (0, 0)
    where: str = "api"
    code: str = ""  # X-Error-Code beside the status
    wrong_bytes: int = 0
    bytes_per_second: int = 0
    ignore_ranges: bool = False
    need_token: str = ""
    cdn_host: str = ""  # another name of this machine: a redirect to it is a redirect to another host
    lie: Callable[[dict[str, Any]], object] | None = None  # makes the answer to "list" of the true one
    page: bytes = b""  # sent in place of that answer
    endless: bool = False  # bodies go on behind their end


@dataclass
class FakeHub:
    """Repositories by name: path -> content. `lfs` names the suffixes that are kept in LFS."""

    repos: dict[str, dict[str, bytes]]
    commit: str = "c0ffee" + "0" * 34
    lfs: tuple[str, ...] = (".pt", ".safetensors", ".bin")
    behaviour: Behaviour = field(default_factory=Behaviour)
    requests: list[tuple[str, str]] = field(default_factory=list)  # (method, path) in order
    ranges: list[str] = field(default_factory=list)
    sent: int = 0  # bytes of file bodies
    seen_by_cdn: list[str | None] = field(default_factory=list)  # Authorization headers
    uploaded: dict[str, bytes] = field(default_factory=dict)  # by SHA-256, not committed yet
    private: set[str] = field(default_factory=set)
    proxied_for: set[str] = field(
        default_factory=set
    )  # hosts it was asked for as a proxy; "" when asked as itself
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FakeHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def listing(self, repo: str) -> dict[str, object]:
        siblings = []
        for path, content in self.repos[repo].items():
            one: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": blob_id(content)}
            if path.endswith(self.lfs):
                one["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
            siblings.append(one)
        return {
            "id": repo,
            "modelId": repo,
            "sha": self.commit,
            "private": False,
            "tags": [],
            "siblings": siblings,
        }

    def takes(self, field_name: str, where: str = "") -> int:
        """Use up one of the times a misbehaviour is meant to happen; its value, 0 if it is not due."""
        with self.lock:
            said = getattr(self.behaviour, field_name)
            if field_name == "status" and where != self.behaviour.where:
                return 0
            if isinstance(said, int):
                setattr(self.behaviour, field_name, max(said - 1, 0))
                return said
            value, times = said
            if times <= 0:
                return 0
            setattr(self.behaviour, field_name, (value, times - 1))
            return value


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *said: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_PUT(self) -> None:
        """An LFS file comes; it is kept under what it is, not under what it is said to be."""
        content = self.taken()
        self.hub.requests.append(("PUT", self.path))
        self.hub.uploaded[sha256(content)] = content
        self.give(b"", {})

    def do_POST(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.hub.requests.append(("POST", path))
        raw = self.taken()
        token = self.hub.behaviour.need_token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            return self.refuse(401, "")
        if path == "/api/repos/create":
            return self.say(self.created(json.loads(raw)))
        if path == "/api/validate-yaml":
            return self.say({"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/models/(.+?)/preupload/main", path):
            return self.say({"files": [self.mode(one["path"]) for one in json.loads(raw)["files"]]})
        if match := re.fullmatch(r"/(.+?)\.git/info/lfs/objects/batch", path):
            rooms = [self.room(one) for one in json.loads(raw)["objects"]]
            return self.say({"transfer": "basic", "objects": rooms})
        if match := re.fullmatch(r"/api/models/(.+?)/commit/main", path):
            return self.say(self.commit(match[1], [json.loads(line) for line in raw.splitlines()]))
        return self.refuse(404, "EntryNotFound")

    def taken(self) -> bytes:
        """The body of a request, whole or in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def created(self, asked: dict[str, Any]) -> dict[str, object]:
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        self.hub.repos.setdefault(name, {})
        if asked.get("private") or asked.get("visibility") == "private":
            self.hub.private.add(name)
        return {"url": f"{self.hub.url}/{name}", "name": name, "id": name}

    def mode(self, path: str) -> dict[str, object]:
        lfs = path.endswith(self.hub.lfs)
        return {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}

    def room(self, asked: dict[str, Any]) -> dict[str, object]:
        return {**asked, "actions": {"upload": {"href": f"{self.hub.url}/put/{asked['oid']}"}}}

    def commit(self, repo: str, lines: list[dict[str, Any]]) -> dict[str, object]:
        """An LFS file is what came under its checksum; KeyError, so no answer, where nothing did."""
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.repos[repo][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.repos[repo][value["path"]] = self.hub.uploaded[value["oid"]]
        url = f"{self.hub.url}/{repo}/commit/{self.hub.commit}"
        return {"commitUrl": url, "commitOid": self.hub.commit, "hookOutput": ""}

    def say(self, answer: dict[str, object]) -> None:
        self.give(json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def answer(self, body: bool) -> None:
        asked = urllib.parse.urlsplit(self.path)
        self.hub.proxied_for.add(asked.netloc)
        path = urllib.parse.unquote(asked.path)
        self.hub.requests.append((self.command, path))
        token = self.hub.behaviour.need_token
        if token and not path.startswith("/cdn/") and self.headers.get("Authorization") != f"Bearer {token}":
            return self.refuse(401, "")
        if match := re.fullmatch(r"/api/models/(.+?)/revision/(.+)", path):
            return self.api(match[1])
        if match := re.fullmatch(r"/(.+?)/resolve/(.+?)/(.+)", path):
            return self.resolve(match[1], match[3], body)
        if match := re.fullmatch(r"/cdn/(\w+)", path):
            return self.cdn(match[1], body)
        return self.refuse(404, "EntryNotFound")

    def api(self, repo: str) -> None:
        status = self.hub.takes("status", "api")
        if status or repo not in self.hub.repos:
            return self.refuse(status or 404, self.hub.behaviour.code if status else "RepoNotFound")
        lie, listing = self.hub.behaviour.lie, self.hub.listing(repo)
        answer = json.dumps(lie(listing) if lie else listing).encode()
        self.give(self.hub.behaviour.page or answer, {"Content-Type": "application/json"})

    def resolve(self, repo: str, path: str, body: bool) -> None:
        status = self.hub.takes("status", "resolve")
        content = self.hub.repos.get(repo, {}).get(path)
        if status or content is None:
            return self.refuse(status or 404, self.hub.behaviour.code if status else "EntryNotFound")
        headers = {"X-Repo-Commit": self.hub.commit, "ETag": f'"{blob_id(content)}"'}
        if path.endswith(self.hub.lfs):
            linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
            host = self.hub.behaviour.cdn_host
            root = self.hub.url.replace("127.0.0.1", host) if host else ""
            self.send_response(302)
            for name, value in {**headers, **linked, "Location": f"{root}/cdn/{sha256(content)}"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.file(content, headers, body)

    def cdn(self, digest: str, body: bool) -> None:
        status = self.hub.takes("status", "cdn")
        self.hub.seen_by_cdn.append(self.headers.get("Authorization"))
        every = [content for files in self.hub.repos.values() for content in files.values()]
        found = [content for content in every if sha256(content) == digest]
        if status or not found:
            return self.refuse(status or 404, "")
        self.file(found[0], {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}, body)

    def file(self, content: bytes, headers: dict[str, str], body: bool) -> None:
        if body and self.hub.takes("wrong_bytes"):
            content = bytes([content[0] ^ 1]) + content[1:]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and not self.hub.behaviour.ignore_ranges else 0
        if wanted:
            self.hub.ranges.append(self.headers["Range"])
        if start >= len(content) and start:
            return self.refuse(416, "")
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self.send_response(206 if start else 200)
        endless = self.hub.behaviour.endless
        length = {} if endless else {"Content-Length": str(len(content) - start)}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.pour(content, start)
        if endless:
            self.close_connection = True
            self.pour_on()

    def pour_on(self) -> None:
        """Zeros, until nobody takes them any more (or a gigabyte was taken)."""
        try:
            for _ in range(1 << 16):
                self.wfile.write(bytes(BLOCK))
                self.hub.sent += BLOCK
        except OSError:
            pass

    def pour(self, content: bytes, start: int) -> None:
        share = self.hub.takes("cut")
        end = int(len(content) * share) if share else len(content)
        for at in range(start, end, BLOCK):
            block = content[at : min(at + BLOCK, end)]
            try:
                self.wfile.write(block)
            except OSError:
                return
            self.hub.sent += len(block)
            if self.hub.behaviour.bytes_per_second:
                time.sleep(len(block) / self.hub.behaviour.bytes_per_second)
        if share:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def give(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"the fake hub answers {status}")
        self.send_header("Content-Length", "0")
        self.end_headers()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
