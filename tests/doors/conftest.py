"""The package from its wheel, somebody who uses it, and the Hub that they reach."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "webui"))

from package import ROOT, Installed, build_wheel, install, libraries
from person import Person


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


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the person types: a folder with a photo and a folder of three, away from the checkout."""
    photos = sorted((ROOT / "clipcap_ext" / "examples").glob("*.jpg"))
    (tmp_path / "place" / "holiday").mkdir(parents=True)
    shutil.copy(photos[0], tmp_path / "place" / "photo.jpg")
    for photo in photos[1:4]:
        shutil.copy(photo, tmp_path / "place" / "holiday")
    return tmp_path / "place"
