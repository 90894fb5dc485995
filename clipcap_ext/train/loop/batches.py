"""Which items make which batch, a pure function of seed and epoch, and their padding; it reads no data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.task import Batch

BUCKET_BATCHES = 64  # batches shuffled together before they are sorted by length


class ItemTask:
    """The batches of a task whose items are in memory: each an array of item numbers, as plan_epoch cuts
    them."""

    config: TrainConfig
    lengths: Sequence[int]  # one a training item; batches hold items of like length
    drop_last: ClassVar[bool] = False  # whether every batch must be full

    def steps(self, epoch: int, parts: int) -> int:
        """How many batches an epoch has."""
        size = self.config.batch_size
        return batch_count(len(self.lengths), size, drop_last=self.drop_last, parts=parts)

    def batches(self, epoch: int, first: int, parts: int) -> Iterator[np.ndarray]:
        """The batches of an epoch from number `first` on."""
        plan = plan_epoch(
            self.lengths, self.config.batch_size, seed=self.config.seed, epoch=epoch,
            drop_last=self.drop_last, parts=parts,
        )  # fmt: skip
        return iter(plan[first:])


def plan_epoch(
    lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int, drop_last: bool, parts: int = 1
) -> list[np.ndarray]:
    """Cut shuffled items into batches of like length, the batches themselves in random order.

    Each batch is an array of item numbers. A last batch that is not full is dropped with `drop_last`, and
    always where it could not be cut into `parts`. The same arguments give the same plan on every machine.
    """
    order = np.random.default_rng((seed, epoch)).permutation(len(lengths))
    sizes = np.asarray(lengths)
    step = batch_size * BUCKET_BATCHES
    pools = [order[start : start + step] for start in range(0, len(order), step)]
    ordered = np.concatenate([pool[np.argsort(sizes[pool], kind="stable")] for pool in pools] or [order])
    count = batch_count(len(ordered), batch_size, drop_last=drop_last, parts=parts)
    batches = [ordered[start : start + batch_size] for start in range(0, count * batch_size, batch_size)]
    shuffled = np.random.default_rng((seed, epoch, 1)).permutation(len(batches))
    return [batches[i] for i in shuffled]


def batch_count(items: int, batch_size: int, *, drop_last: bool, parts: int) -> int:
    """How many batches `plan_epoch` cuts so many items into."""
    whole, rest = divmod(items, batch_size)
    return whole + (rest >= (batch_size if drop_last else max(1, parts)))


def share(batch: Batch, part: int, parts: int) -> Batch:
    """The items of one part of a batch; parts are alike in length because items are dealt out in turn."""
    return batch[part::parts]


def pad_ids(rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Token ids as input_ids (B, T), padded on the right to the longest, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return {"input_ids": ids, "lengths": lengths}
