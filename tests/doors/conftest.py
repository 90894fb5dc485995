"""The package from its wheel, somebody who uses it, and the Hub that they reach."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "webui"))
sys.path.insert(2, str(Path(__file__).resolve().parents[1] / "hub"))

from fake_hub import VIT_L, FakeHub
from miniatures import small_libraries
from package import ROOT, Installed, build_wheel, install, libraries
from person import Person
from small_repositories import published_files, small_clip
from tiny_tagger import write_tagger
from warmth import warm_python

TAGGER = "SmilingWolf/wd-vit-tagger-v3"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed beside the newest gradio where that environment is there."""
    borrowed = [path for path in (libraries("gradio6"), libraries()) if path is not None]
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv", borrowed)


@pytest.fixture
def person(package: Installed, tmp_path: Path) -> Person:
    """Somebody with an empty home."""
    (tmp_path / "home").mkdir()
    return Person(package, tmp_path / "home")


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    """The Hub with the published repositories, their weights small."""
    folder = tmp_path_factory.mktemp("published")
    _, weights = small_clip(768, folder)
    clip = {"open_clip_model.safetensors": weights}
    tagger = {path.name: path.read_bytes() for path in write_tagger(folder / "tagger").iterdir()}
    with FakeHub({**published_files(folder), VIT_L: clip, TAGGER: tagger}) as made:
        yield made


@pytest.fixture(scope="session")
def starter(package: Installed, hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody with an empty home, the Hub in reach and libraries that know a small ViT-L-14."""
    said = {"HF_ENDPOINT": hub.url, "PYTHONPATH": str(small_libraries(tmp_path_factory.mktemp("small")))}
    return Person(package, tmp_path_factory.mktemp("home"), said)


@pytest.fixture(scope="session")
def reader(starter: Person) -> Iterator[Person]:
    """The same, with a `python` that has the slow libraries read already."""
    with warm_python(starter.package, starter.environment) as folder:
        path = f"{folder}{os.pathsep}{starter.environment['PATH']}"
        yield replace(starter, said={**starter.said, "PATH": path})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the person types: a folder with a photo and a folder of three, away from the checkout."""
    photos = sorted((ROOT / "clipcap_ext" / "examples").glob("*.jpg"))
    (tmp_path / "place" / "holiday").mkdir(parents=True)
    shutil.copy(photos[0], tmp_path / "place" / "photo.jpg")
    for photo in photos[1:4]:
        shutil.copy(photo, tmp_path / "place" / "holiday")
    return tmp_path / "place"
