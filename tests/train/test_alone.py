"""Processes that do not see each other, and one training at a time in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tasks import words

from clipcap_ext.errors import UsageError
from clipcap_ext.train.__main__ import main
from clipcap_ext.train.beginning import CONFIG_FILE
from clipcap_ext.train.loop.alone import LOCK_FILE, Alone, check_seen, started_together


def test_what_launchers_say() -> None:
    assert started_together({}) == started_together({"WORLD_SIZE": "1"}) == 1
    assert started_together({"WORLD_SIZE": "4"}) == started_together({"OMPI_COMM_WORLD_SIZE": "4"}) == 4
    check_seen(4, 4)
    with pytest.raises(UsageError, match=r"2 processes were started, and this one sees 1.*torchrun"):
        check_seen(1, 2)


def test_two_processes_on_a_processor_see_each_other(
    tmp_path: Path, flickr_folder: Path, tiny_folder: Path
) -> None:
    """device=auto, as the page prints it: one training, whose steps are half those of two."""
    out = tmp_path / "two"
    asked = words(flickr_folder, out, tiny_folder / "tiny-clip", "--set", "device=auto")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = subprocess.run(
        [*launch, "clipcap_ext.train", *asked], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("8 training, 4 validation") == 1
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == sorted(set(steps)) and steps


def test_processes_that_do_not_see_each_other_are_refused(
    tmp_path: Path, flickr_folder: Path, tiny_folder: Path
) -> None:
    """A launcher's word without what accelerate needs to join them: nothing is written."""
    out = tmp_path / "out"
    asked = words(flickr_folder, out, tiny_folder / "tiny-clip")
    alone = "import accelerate, sys; from clipcap_ext.train import __main__; accelerate.Accelerator()"
    code = f"{alone}; sys.exit(__main__.main({asked!r}))"
    env = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
        env={**env, "WORLD_SIZE": "2"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-3000:]
    assert "2 processes were started, and this one sees 1" in done.stderr and not out.exists()


def test_a_folder_is_one_trainings(tmp_path: Path) -> None:
    first, second = Alone(tmp_path / "out", CONFIG_FILE), Alone(tmp_path / "out", CONFIG_FILE)
    first.take()
    with pytest.raises(UsageError, match="Another training writes into"):
        second.take()
    first.close()
    second.take()
    second.close()
    late = Alone(tmp_path / "out", CONFIG_FILE)
    (tmp_path / "out" / CONFIG_FILE).write_text("{}")
    with pytest.raises(UsageError, match="Another training writes into"):
        late.take()


def test_a_run_that_is_at_work_is_not_gone_on_with(
    tmp_path: Path, flickr_folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(flickr_folder, out, tiny_folder / "tiny-clip")) == 0
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != LOCK_FILE}
    holder = Alone(out, CONFIG_FILE)
    holder.take()
    assert main(["--resume", "--out", str(out), "--set", "epochs=2"]) == 2
    assert "Another training writes into" in capsys.readouterr().err
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != LOCK_FILE}
    holder.close()
    assert main(["--resume", "--out", str(out), "--set", "epochs=2"]) == 0
