"""What a training task must offer so that the one loop can serve it, and the tasks there are; no task's
inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from clipcap_ext.train.config import TrainConfig

Part = TypeVar("Part", bound="Sliced")


class Sliced(Protocol):
    """An array of items, or what slices like one."""

    def __getitem__(self: Part, part: slice, /) -> Part:
        """Some of the items, of the same kind."""
        ...


Batch = TypeVar("Batch", bound=Sliced)


@dataclass(frozen=True)
class RunFacts:
    """What an export says of the run it came from."""

    preset: str
    departures: tuple[str, ...]
    epoch: int
    step: int
    metrics: dict[str, float]


class Task(Protocol[Batch]):
    """Model, data, loss, validation and export of one kind of training.

    `module(**tensors)` returns the loss summed over a batch; the loop divides by `weight` of the whole global
    batch, so that accumulation and several processes change nothing. `collate` runs in threads: it must draw
    its randomness from (seed, epoch, item), never from a global generator. The same arguments give the same
    batches in every process. Those whose items are in memory take `batches` from ItemTask (loop/batches.py).
    """

    @property
    def config(self) -> TrainConfig:
        """The options of the run."""
        ...

    @property
    def module(self) -> nn.Module:
        """What is trained."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """AdamW's groups: params, lr, weight_decay."""
        ...

    def start_epoch(self, epoch: int) -> None:
        """Called before each epoch (from 0), and after a resume."""
        ...

    def steps(self, epoch: int, parts: int) -> int:
        """How many batches an epoch has; none of them too small for `parts`."""
        ...

    def batches(self, epoch: int, first: int, parts: int) -> Iterator[Batch]:
        """The batches of an epoch from number `first` on."""
        ...

    def weight(self, batch: Batch, /) -> int:
        """What the summed loss of a batch is divided by."""
        ...

    def collate(self, batch: Batch, /, epoch: int) -> dict[str, Tensor]:
        """The tensors `module` takes, on the CPU."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on the validation images, "val_loss" among them; the module is in evaluation mode."""
        ...

    def export(self, folder: Path, facts: RunFacts) -> None:
        """Write the checkpoint folder that the engine loads, atomically."""
        ...


def decay_groups(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Two AdamW groups of the trainable parameters: matrices with decay, biases, norms and scalars
    without."""
    matrices = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [(matrices, weight_decay), (others, 0.0)]
    return [{"params": params, "lr": lr, "weight_decay": decay} for params, decay in groups if params]
