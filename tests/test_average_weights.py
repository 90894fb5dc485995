"""Averaging a fine-tuned captioner with its start: what it makes loads, and lies between the two."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.checkpoint.safefile import read_safetensors, write_safetensors
from clipcap_ext.engine.factory import load_captioner
from tools.average_weights import averaged

ROOT = Path(__file__).resolve().parents[1]


def run(start: Path, tuned: Path, share: str, out: Path) -> subprocess.CompletedProcess[str]:
    tool = [sys.executable, str(ROOT / "tools" / "average_weights.py")]
    arguments = [str(start), str(tuned), "--share", share, "--out", str(out)]
    return subprocess.run([*tool, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    tuned, start = BUNDLED / "tiny-flickr8k", tmp_path / "start"
    shutil.copytree(tuned, start)
    weights = read_safetensors(tuned / WEIGHTS_FILE)
    gate = [name for name in weights if name.startswith("copy_gate")]
    assert gate
    write_safetensors(
        start / WEIGHTS_FILE, {name: 0 * tensor for name, tensor in weights.items() if name not in gate}
    )
    return start, tuned


def test_the_average_is_a_captioner_between_the_two(pair: tuple[Path, Path], tmp_path: Path) -> None:
    start, tuned = pair
    done = run(start, tuned, ".75", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert load_captioner(str(tmp_path / "out"))
    assert read_config(tmp_path / "out").training["averaged_with_start"] == 0.75
    was, now = read_safetensors(tuned / WEIGHTS_FILE), read_safetensors(tmp_path / "out" / WEIGHTS_FILE)
    for name, tensor in was.items():
        part = 1 if name.startswith("copy_gate") else 0.75
        torch.testing.assert_close(now[name], part * tensor, rtol=1e-3, atol=1e-6)


def test_other_words_and_other_shapes_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    start, tuned = pair
    (start / "vocab.json").write_text("{}")
    done = run(start, tuned, ".5", tmp_path / "out")
    assert done.returncode == 1 and "another vocab.json" in done.stderr and not (tmp_path / "out").exists()
    assert run(start, tuned, "1.5", tmp_path / "out").returncode == 2
    nothing = run(tmp_path / "nowhere", tuned, ".5", tmp_path / "out")
    assert nothing.returncode == 1 and "no vocab.json" in nothing.stderr and "Traceback" not in nothing.stderr
    with pytest.raises(SystemExit, match="differ in a"):
        averaged({"a": torch.zeros(2)}, {"a": torch.zeros(3)}, 0.5)
