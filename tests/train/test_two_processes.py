"""Two CPU processes under `accelerate launch` learn what one learns: the same losses and the same weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_tasks import write_features
from two_processes import train_all

from clipcap_ext.train.loop.run_log import Record
from clipcap_ext.train.loop.state import load_state


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_learn_the_same_as_one(tmp_path: Path, flickr_folder: Path, tiny_folder: Path) -> None:
    encoder = tiny_folder / "tiny-clip"
    features = write_features(tmp_path / "features", [4, 3, 5, 3, 4]).path
    assert train_all(flickr_folder, encoder, features, tmp_path / "one") == [0, 0, 0]
    # --multi_gpu is accelerate's word for several processes on one machine; --cpu would start only one
    launch = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port",
        str(free_port()), str(Path(__file__).parents[1] / "two_processes.py"),
    ]  # fmt: skip
    launch += [str(word) for word in (flickr_folder, encoder, features, tmp_path / "two")]
    done = subprocess.run(
        launch, capture_output=True, text=True, timeout=900, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("photos", "shards", "encoder"):
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        rows = [[row for row in Record(out, 99, 99).rows if row["kind"] == "step"] for out in (one, two)]
        assert len(rows[0]) == len(rows[1]) > 3
        assert [row["loss"] for row in rows[1]] == pytest.approx([row["loss"] for row in rows[0]], rel=1e-4)
        (_, first, alone), (_, second, both) = load_state(one), load_state(two)
        assert (len(alone), len(both)) == (1, 2)
        for part in ("module", "average"):
            for key, tensor in first[part].items():
                torch.testing.assert_close(
                    second[part][key], tensor, rtol=1e-3, atol=2e-5, msg=f"{name} {key}"
                )
