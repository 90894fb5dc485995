"""Runs the tests of the REST routes beside the hosts' own fastapi and pydantic, where those environments are built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradio3", "gradio4"])
def test_the_routes_beside_the_hosts_pins(name: str) -> None:
    """gradio3 has pydantic 1 and fastapi 0.94, gradio4 has pydantic 2 and fastapi 0.104."""
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no .venv-{name}: python3 tools/environment.py compat {name}")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/webui/test_api.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout[-3000:]
