"""Opening a folder in the file manager: what is started, and where there is nothing to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipcap_ext.service import folder_window
from clipcap_ext.service.folder_window import open_window, window_command


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was started instead of a file manager."""
    commands: list[list[str]] = []

    def start(command: list[str], **_: Any) -> None:
        commands.append(command)

    monkeypatch.setattr(subprocess, "Popen", start)
    return commands


@pytest.mark.parametrize(
    ("platform", "screen", "opener", "wanted"),
    [
        ("win32", "", None, ["explorer"]), ("darwin", "", None, ["open"]),
        ("linux", ":0", "/usr/bin/xdg-open", ["/usr/bin/xdg-open"]), ("linux", "", "/usr/bin/xdg-open", None),
        ("linux", ":0", None, None),
    ],
)  # fmt: skip
def test_each_system_has_its_own_way(
    platform: str, screen: str, opener: str | None, wanted: list[str] | None, started: list[list[str]],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.setattr(folder_window.shutil, "which", lambda name: opener)
    assert window_command() == wanted
    assert open_window(tmp_path) is (wanted is not None)
    assert started == ([] if wanted is None else [[*wanted, str(tmp_path)]])


def test_only_folders_are_opened(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folder_window, "window_command", lambda: ["open"])
    (tmp_path / "program").write_text("")
    assert not open_window(tmp_path / "program") and not open_window(tmp_path / "none")
    assert started == []


def test_a_file_manager_that_does_not_start_opens_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folder_window, "window_command", lambda: [str(tmp_path / "no such program")])
    assert not open_window(tmp_path)
