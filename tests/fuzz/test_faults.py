"""A few faults at every writing door, by the driver that hurts each of them at every change of the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOORS = 11


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each fault")
def test_a_few_faults_at_every_door_lose_nothing() -> None:
    words = ["--every", "29", "--kinds", "kill", "interrupt", "full"]
    command = [sys.executable, "benchmarks/faults/run.py", *words]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    env = {**os.environ, "PYTHONPATH": paths}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr[-5000:]
    _, _, *lines, total = run.stdout.splitlines()
    assert len(lines) == DOORS and int(total.split()[0]) >= 3 * DOORS
