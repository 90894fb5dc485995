"""Folders over REST: a job that writes, its state, undo, and who may ask at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from folder_runs import at_once, contents, picture, say_red
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
from fastapi import FastAPI
from fastapi.testclient import TestClient

from clipcap_ext.caption import Caption
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.work import Work
from clipcap_ext.webui import api
from clipcap_ext.webui.rest_guard import Access

MODEL = "tiny-clipcap"
ROUTE = "/clipcap/v1/folder"


@pytest.fixture
def service(tiny_folder: Path) -> CaptionService:
    return CaptionService(StandaloneHost(tiny_folder, device="cpu"))


def client(service: CaptionService, credentials: dict[str, str] | None = None) -> TestClient:
    app = FastAPI()
    api.add_api(app, service, Access(credentials or {}), lambda name: name or MODEL)
    return TestClient(app, base_url="http://localhost")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Captions say how red a picture is, once the gate is open."""
    opened = threading.Event()

    def captioning(self: Work, options: object) -> Any:
        def caption(images: Sequence[Image.Image]) -> list[Caption]:
            assert opened.wait(60)
            return say_red(images)

        return at_once(caption)

    monkeypatch.setattr(Work, "captioning", captioning)
    opened.set()
    return opened


@pytest.fixture
def web(service: CaptionService, gate: threading.Event) -> TestClient:
    return client(service)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "my photos"
    for number in range(12):
        picture(root / f"p{number:02}.png", number)
    (root / "p00.txt").write_text("mine", encoding="utf-8")
    (root / "p03.png").write_bytes(b"no picture")
    return root


def status(web: TestClient, folder: Path, **more: Any) -> dict[str, Any]:
    answer = web.get(f"{ROUTE}/status", params={"folder": str(folder), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(web: TestClient, folder: Path) -> dict[str, Any]:
    """The job, once it is over."""
    for _ in range(2000):
        job = status(web, folder)["job"]
        if job["state"] in ("done", "stopped", "failed"):
            return job
        threading.Event().wait(0.02)
    raise AssertionError(f"the job did not end: {job}")


def test_a_folder_is_captioned_watched_and_undone(web: TestClient, folder: Path) -> None:
    assert status(web, folder)["job"] is None
    body = {"folder": f'"{folder}"', "policy": "append", "trigger": "sks", "suffix": "at dawn"}
    begun = web.post(f"{ROUTE}/caption", json=body)
    assert begun.status_code == 200 and begun.json()["total"] == 12
    job = ended(web, folder)
    assert (job["state"], job["written"], job["skipped"], job["failed"]) == ("done", 11, 0, 1)
    assert "p03.png" in job["failures"][0] and job["problem"] == ""
    assert contents(folder)["p00.txt"] == b"sks, mine, red 0 at dawn"
    said = status(web, folder)
    assert (said["pictures"], said["captioned"], said["missing"], said["busy"]) == (12, 11, 1, False)
    assert said["runs"][0]["settings"]["trigger"] == "sks" and said["runs"][0]["caption_files"] == 11
    assert "form" not in said["runs"][0]["settings"]
    undone = web.post(f"{ROUTE}/undo", json={"folder": str(folder)}).json()
    assert len(undone["restored"]) == 11 and (undone["runs"], undone["left"]) == (1, 0)
    assert undone["kept"] == undone["failed"] == undone["refused"] == []
    assert contents(folder) == {"p00.txt": b"mine"}


def test_captions_can_be_written_as_tags(web: TestClient, folder: Path) -> None:
    web.post(f"{ROUTE}/caption", json={"folder": str(folder), "policy": "overwrite", "form": "tags"})
    assert ended(web, folder)["written"] == 11
    assert status(web, folder)["runs"][0]["settings"]["form"] == "tags"
    poem = web.post(f"{ROUTE}/caption", json={"folder": str(folder), "form": "poem"})
    assert poem.status_code == 422 and "sentence+tags" in poem.json()["detail"]


def test_one_job_a_folder_and_stopping_it_keeps_what_is_written(
    web: TestClient, folder: Path, gate: threading.Event
) -> None:
    gate.clear()
    web.post(f"{ROUTE}/caption", json={"folder": str(folder), "policy": "overwrite"})
    second = web.post(f"{ROUTE}/caption", json={"folder": str(folder)})
    assert second.status_code == 409 and "being captioned" in second.json()["detail"]
    web.post(f"{ROUTE}/stop", json={"folder": str(folder)})
    assert status(web, folder)["job"]["state"] == "stopping"
    gate.set()
    job = ended(web, folder)
    assert job["state"] == "stopped" and 0 < job["written"] < 11
    web.post(f"{ROUTE}/caption", json={"folder": str(folder), "policy": "overwrite"})
    assert ended(web, folder)["skipped"] == job["written"]
    web.post(f"{ROUTE}/undo", json={"folder": str(folder), "all": True})
    assert contents(folder) == {"p00.txt": b"mine"}


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"folder": "{gone}"}, 422, "no folder"), ({"folder": " "}, 422, "No folder was named"),
        ({"folder": "{here}", "policy": "replace"}, 422, "skip, overwrite"),
        ({"folder": "{here}", "extension": ".exe"}, 422, "extension"),
        ({"folder": "{here}", "model": "unknown"}, 404, "unknown"),
        ({"folder": "{here}", "options": {"seed": -1, "paint": 1}}, 422, "paint"), ({}, 422, "folder"),
        ({"folder": "{here}", "output": "{here}/p00.png"}, 422, "no folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_words(
    web: TestClient, folder: Path, body: dict[str, Any], code: int, said: str
) -> None:
    places = {"gone": str(folder / "gone"), "here": str(folder)}
    filled = {name: one.format(**places) if isinstance(one, str) else one for name, one in body.items()}
    answer = web.post(f"{ROUTE}/caption", json=filled)
    assert answer.status_code == code and said in str(answer.json()["detail"])
    assert contents(folder) == {"p00.txt": b"mine"}


def test_a_job_that_fails_says_why(web: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def captioning(self: Work, options: object) -> Any:
        def caption(images: object) -> Any:
            from clipcap_ext.errors import CaptionError

            raise CaptionError("no memory")

        return at_once(caption)

    monkeypatch.setattr(Work, "captioning", captioning)
    web.post(f"{ROUTE}/caption", json={"folder": str(folder)})
    job = ended(web, folder)
    assert job["state"] == "failed" and "no memory" in job["problem"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf8_is_named(web: TestClient, folder: Path) -> None:
    (folder / "p03.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    web.post(f"{ROUTE}/caption", json={"folder": str(folder)})
    assert "caf\\udce9.png" in ended(web, folder)["failures"][0]


def test_the_routes_stand_behind_the_password_and_only_where_folders_may_be_named(
    service: CaptionService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = client(service, {"me": "secret"})
    for answer in (
        guarded.post(f"{ROUTE}/caption", json={"folder": str(folder)}),
        guarded.get(f"{ROUTE}/status", params={"folder": str(folder)}),
        guarded.post(f"{ROUTE}/undo", json={"folder": str(folder)}),
        guarded.post(f"{ROUTE}/stop", json={"folder": str(folder)}),
    ):
        assert answer.status_code == 401
    known = guarded.get(f"{ROUTE}/status", params={"folder": str(folder)}, auth=("me", "secret"))
    assert known.status_code == 200
    monkeypatch.setattr(StandaloneHost, "directories_allowed", False)
    closed = client(service)
    assert closed.post(f"{ROUTE}/caption", json={"folder": str(folder)}).status_code == 404
    assert closed.get("/clipcap/v1/models").status_code == 200
