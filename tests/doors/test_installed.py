"""The package as pip installs it: built, put into a fresh environment, used away from the checkout."""

from __future__ import annotations

import json
import socket
import zipfile
from pathlib import Path

import pytest
from package import ROOT, Installed, libraries
from person import Person, free_port
from served_page import ServedPage

NO_GRADIO = "no environment .venv-gradio6: make test builds it, and says so where it cannot"


def test_the_wheel_carries_what_a_page_needs_and_nothing_twice(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assets = {name.split("webui/assets/")[1] for name in names if "webui/assets/" in name}
    words = {f"localizations/{path.name}" for path in (ROOT / "localizations").iterdir()}
    assert assets == {"style.css", "javascript/clipcap.js", "javascript/clipcap_shrink.js", *words}
    kept = {path.relative_to(ROOT).as_posix() for folder in ("bundled", "examples")
            for path in (ROOT / "clipcap_ext" / folder).rglob("*") if path.is_file()}  # fmt: skip
    assert kept <= set(names)
    assert len(set(names)) == len(names) and not [name for name in names if name.startswith("tests")]
    assert not (ROOT / "clipcap_ext" / "webui" / "assets").exists(), "the copies are the wheel's alone"


def test_the_terminal(person: Person, place: Path) -> None:
    ran = person.types("clipcap-ext caption photo.jpg holiday/", place)
    assert ran.code == 0 and len(ran.out.splitlines()) == 4 and "Traceback" not in ran.err, ran
    assert person.types("clipcap-ext caption", place).code == 2
    both = [person.types(f"{program} --help", place) for program in ("clipcap-ext", "python -m clipcap_ext")]
    assert both[0].out == both[1].out and "caption" in both[0].out, both[0]


def test_models_and_presets_are_listed(person: Person, place: Path) -> None:
    ran = person.types("clipcap-ext models --json", place)
    listed = {record["name"]: record["state"] for record in map(json.loads, ran.out.splitlines())}
    assert ran.code == 0 and listed["tiny-flickr8k"] == "bundled", ran
    assert str(person.home / ".cache" / "clipcap-ext" / "models") in ran.err
    ran = person.types("python -m clipcap_ext.train --list", place)
    assert ran.code == 0 and "flickr8k-gradient" in ran.out, ran


def test_the_page_answers_with_its_style_and_captions(person: Person, place: Path) -> None:
    if libraries("gradio6") is None:
        pytest.skip(NO_GRADIO)
    with person.serves(f"clipcap-ext ui --port {free_port()} --language de_DE", place) as address:
        page = ServedPage(address)
        assert ".clipcap_state" in page.config["css"] and page.component("clipcap_run")["props"]["value"]
        assert page.component("clipcap_model")["props"]["label"] == "Modell"
        assert any("clipcap_restored" in str(event["js"]) for event in page.config["dependencies"])
        shown = page.press("clipcap_run", {"clipcap_image": page.upload(place / "photo.jpg")})
    assert " ms" in shown["clipcap_status"] and shown["clipcap_caption"].strip(), shown


def test_a_port_that_is_taken_is_told_in_a_line(person: Person, place: Path) -> None:
    if libraries("gradio6") is None:
        pytest.skip(NO_GRADIO)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = person.types(f"clipcap-ext ui --port {port}", place)
    assert ran.code == 1 and ran.err.startswith("error: ") and len(ran.err.splitlines()) == 1, ran
    assert f"Port {port} at 127.0.0.1 is taken" in ran.err and "--port " in ran.err and not ran.out
    ran = person.types("clipcap-ext ui --port 70000", place)
    assert ran.code == 2 and len(ran.err.splitlines()) == 1, ran


def test_nothing_comes_from_the_checkout(package: Installed, person: Person, place: Path) -> None:
    code = "import clipcap_ext, sys; print(clipcap_ext.__file__, *sys.path)"
    ran = person.types(f'python -c "{code}"', place)
    assert str(package.packages / "clipcap_ext") in ran.out and str(ROOT / "clipcap_ext") not in ran.out, ran
