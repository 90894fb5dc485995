"""What a run leaves to read: log.jsonl, log.csv, TensorBoard where installed, a plot of the losses; no
weights."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipcap_ext.files import write_file, write_whole

JSONL, CSV, PLOT = "log.jsonl", "log.csv", "loss.png"


class Record:
    """Appends rows; `kind` is "step" (log.jsonl only) or "epoch" (also log.csv)."""

    def __init__(self, out: Path, step: int, epoch: int) -> None:
        """Open the logs of `out`. What an interrupted run left and will be done again is dropped: steps after
        `step`, and the ends of epochs from `epoch` on (an epoch's last step may be saved, its end not)."""
        self._out = out
        kept = (row for row in _read(out / JSONL) if row["step"] <= step) if step else ()
        self.rows = [row for row in kept if row["kind"] != "epoch" or row["epoch"] < epoch]
        self._rewrite()
        self._board = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1 if step else None)

    def add(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Write one row everywhere."""
        row = {"kind": kind, "step": step, **values}
        self.rows.append(row)
        with (self._out / JSONL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if kind == "epoch":
            self._write_csv()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)
            self._board.flush()

    def close(self) -> None:
        """Draw the plot and end TensorBoard's file."""
        if self._board is not None:
            self._board.close()
        plot_losses(self.rows, self._out / PLOT)

    def _rewrite(self) -> None:
        write_whole(self._out / JSONL, "".join(json.dumps(row) + "\n" for row in self.rows))
        self._write_csv()

    def _write_csv(self) -> None:
        epochs = [{key: value for key, value in row.items() if key != "kind"} for row in self._epochs()]
        with write_file(self._out / CSV) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(epochs[0]) if epochs else ["step"])
            writer.writeheader()
            writer.writerows(epochs)

    def _epochs(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["kind"] == "epoch"]


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # a line cut short by a crash; the step it told of is trained again
            break
    return rows


def clock(seconds: float) -> str:
    """`2 h 05 min`, `5 min`."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def plot_losses(rows: list[dict[str, Any]], path: Path) -> None:
    """Training and validation loss, and the other validation figures below, over optimizer steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [row for row in rows if row["kind"] == "step"]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    skipped = {"kind", "step", "epoch", "lr", "seconds", "train_loss", "val_loss"}
    others = sorted({key for row in epochs for key in row} - skipped)
    figure = Figure(figsize=(8, 7 if others else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if others else 1, 1, squeeze=False)[:, 0]
    axes[0].plot(
        [row["step"] for row in steps], [row["loss"] for row in steps], alpha=0.4, label="training, running"
    )
    for key in ("train_loss", "val_loss"):
        axes[0].plot([row["step"] for row in epochs], [row[key] for row in epochs], marker="o", label=key)
    axes[0].set(ylabel="loss", xlabel="optimizer step")
    for key in others:
        axes[1].plot([row["step"] for row in epochs], [row.get(key) for row in epochs], marker="o", label=key)
        axes[1].set(ylabel="validation", xlabel="optimizer step")
    for ax in axes:
        ax.legend()
        ax.grid(alpha=0.3)
    with write_file(path) as part:
        figure.savefig(part, dpi=100, format="png")
