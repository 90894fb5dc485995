"""The walk through a real WebUI, where one is named, and the table of what was seen there, always."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kinds import KINDS
from outcomes import Outcome, Walked, read, table

HERE = Path(__file__).resolve().parent
NAMED = [os.environ.get(f"CLIPCAP_HOST_{name}", "") for name in ("KIND", "FOLDER", "PYTHON")]


@pytest.mark.skipif(not all(NAMED), reason="no WebUI is named by CLIPCAP_HOST_KIND, _FOLDER and _PYTHON")
def test_no_step_fails_in_the_named_webui(tmp_path: Path) -> None:
    kind, folder, python = NAMED
    options = ("--folder", folder, "--python", python, "--out", str(tmp_path))
    assert subprocess.run([sys.executable, HERE / "walk.py", kind, *options]).returncode == 0


def walked(host: str, *outcomes: Outcome) -> Walked:
    return Walked(host, {"commit": "abc 2026-01-01", "gradio": "3.41.2"}, outcomes)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    one = walked("reForge", Outcome("REST", "ok", "a dog"), Outcome("Extras", "failed", "no picture"))
    one.write(tmp_path, "reforge")
    assert read(tmp_path / "reforge.json") == one


def test_a_failure_is_told_with_its_reason_and_a_step_not_taken_is_no_success() -> None:
    text = table([
        walked("Forge", Outcome("REST", "ok", "a dog"), Outcome("undo", "failed", "nothing came back")),
        walked("reForge", Outcome("REST", "not there", "no such route")),
    ])  # fmt: skip
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert rows["REST"] == "| REST | ok | not there (1) |"
    assert rows["undo"] == "| undo | failed (2) | not walked |"
    assert rows["gradio"] == "| gradio | 3.41.2 | 3.41.2 |"
    assert "1. reForge, REST: no such route" in text
    assert "2. Forge, undo: nothing came back" in text


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_names_its_port_and_where_our_buttons_lead(name: str) -> None:
    kind = KINDS[name]
    assert kind.command[0] == "launch.py"
    assert "{port}" in kind.command
    assert kind.targets
