"""The pretend hosts, and a service on one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_modules import FakeHost, installed


@pytest.fixture
def fake_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], FakeHost]]:
    """Ask it for one of fake_modules.FAMILIES, and that program runs us until the test ends."""
    from clipcap_ext.webui.hosts import extension

    def start(family: str) -> FakeHost:
        host = FakeHost(family, tmp_path)
        installed(host, monkeypatch)
        extension.service.cache_clear()
        return host

    yield start
    extension.service.cache_clear()


@pytest.fixture
def models_in(tiny_folder: Path, tmp_path: Path) -> Path:
    """The pretend host's models folder, with the tiny captioners in it."""
    folder = tmp_path / "models" / "ClipCap"
    folder.parent.mkdir()
    folder.symlink_to(tiny_folder, target_is_directory=True)
    return folder
