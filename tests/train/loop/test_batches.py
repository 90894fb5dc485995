"""The plan of an epoch: every item once, like lengths together, the same on every machine; and the order kept
ahead."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.train.loop.batches import plan_epoch, share


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=300),
    st.integers(1, 17),
    st.booleans(),
    st.integers(0, 5),
)
def test_every_item_comes_once(lengths: list[int], batch_size: int, drop_last: bool, epoch: int) -> None:
    plan = plan_epoch(lengths, batch_size, seed=1, epoch=epoch, drop_last=drop_last)
    seen = np.concatenate(plan).tolist() if plan else []
    assert len(set(seen)) == len(seen)
    missing = len(lengths) - len(seen)
    assert missing == (len(lengths) % batch_size if drop_last else 0)
    assert all(len(batch) == batch_size for batch in plan) or not drop_last


def test_like_lengths_together_and_order_shuffled() -> None:
    lengths = np.random.RandomState(0).randint(1, 40, 2000)
    plan = plan_epoch(lengths, 20, seed=0, epoch=0, drop_last=True)
    assert np.mean([np.ptp(lengths[batch]) for batch in plan]) < 3
    starts = [lengths[batch[0]] for batch in plan]
    assert starts != sorted(starts)


def test_seed_and_epoch_decide() -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plan_epoch([1] * 50, 10, seed=seed, epoch=epoch, drop_last=True)).tolist()

    assert flat(0, 0) == flat(0, 0)
    assert len({tuple(flat(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_a_rest_too_small_to_share_is_dropped() -> None:
    assert len(plan_epoch([1] * 9, 4, seed=0, epoch=0, drop_last=False, parts=1)) == 3
    assert len(plan_epoch([1] * 9, 4, seed=0, epoch=0, drop_last=False, parts=2)) == 2


@given(st.integers(1, 40), st.integers(1, 8))
def test_shares_are_even_and_whole(size: int, parts: int) -> None:
    batch = np.arange(size)
    shares = [share(batch, part, parts) for part in range(parts)]
    assert sorted(np.concatenate(shares).tolist()) == batch.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
