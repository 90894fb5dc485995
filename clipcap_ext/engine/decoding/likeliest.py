"""The likeliest tokens in an order that equals do not change; it chooses none of them."""

from __future__ import annotations

from torch import Tensor


def highest(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The highest `top_k` (0: all) of logits (rows, V), highest first and of equals the lower id first, and
    their ids.

    The same as sorting the whole vocabulary and cutting it, which took a fifth of the time of sampling on one
    core.
    """
    vocabulary = logits.shape[-1]
    if not 0 < top_k < vocabulary:
        return logits.sort(dim=-1, descending=True, stable=True)
    values, ids = logits.topk(top_k + 1, dim=-1)
    ids = ids[:, :top_k]
    if (values[:, -1] == values[:, -2]).any():  # equals straddle the cut
        wide = int((logits >= values[:, -2:-1]).sum(-1).max())
        ids = logits.topk(wide, dim=-1).indices
    ids = ids.sort(dim=-1).values
    ordered, places = logits.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return ordered[:, :top_k], ids.gather(1, places)[:, :top_k]
