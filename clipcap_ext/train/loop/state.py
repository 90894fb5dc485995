"""Everything an interrupted run needs to go on bit for bit, in one file replaced whole; not the exported
weights."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import write_file
from clipcap_ext.train.loop.places import STATE_FILE

FORMAT = "clipcap-ext-train-1"


@dataclass
class Progress:
    """Where a run is. `batch` is the next batch of `epoch`; loss_sum and loss_weight are of this epoch so
    far."""

    epoch: int = 0
    batch: int = 0
    step: int = 0  # optimizer steps since the beginning
    best: float | None = None
    best_epoch: int = -1
    stale: int = 0  # epochs since the best
    loss_sum: float = 0.0
    loss_weight: float = 0.0
    seconds: float = 0.0  # spent training, earlier runs included
    finished: bool = False


def random_state() -> dict[str, Any]:
    """The state of every global generator a step may draw from."""
    version, numbers, gauss = random.getstate()
    drawn = np.random.get_state(legacy=False)
    state = {
        "python": (version, list(numbers), gauss),
        "numpy": (
            str(drawn["bit_generator"]),
            torch.from_numpy(drawn["state"]["key"].astype(np.int64)),
            int(drawn["state"]["pos"]),
            int(drawn["has_gauss"]),
            float(drawn["gauss"]),
        ),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every global generator back where `random_state` found it."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def save_state(out: Path, progress: Progress, tensors: dict[str, Any], randoms: list[dict[str, Any]]) -> None:
    """Write the state file, replacing the old one only once the new one is whole on disk; OSError if the disk
    does not take it."""
    content = {"format": FORMAT, "progress": asdict(progress), "tensors": tensors, "random": randoms}
    with write_file(out / STATE_FILE) as part, part.open("wb") as file:
        torch.save(content, file)


def load_state(out: Path) -> tuple[Progress, dict[str, Any], list[dict[str, Any]]]:
    """Read the state file; CheckpointError if there is none, or it is damaged or of another version."""
    path = out / STATE_FILE
    if not path.is_file():
        raise CheckpointError(f"Nothing to resume in {out}: {STATE_FILE} not found there.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise CheckpointError(f"{path} cannot be read: {error}. Start again in another folder.") from error
    known = {spec.name for spec in fields(Progress)}
    if not isinstance(content, dict) or content.get("format") != FORMAT or set(content["progress"]) != known:
        raise CheckpointError(f"{path} was written by another version; start again in another folder.")
    return Progress(**content["progress"]), content["tensors"], content["random"]
