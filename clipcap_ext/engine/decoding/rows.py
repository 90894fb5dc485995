"""Greedy decoding and sampling over a TokenStepper, a row for each candidate of each image; no beams.

A row that has ended leaves the stepper, so that one long caption does not keep the short ones at work. That
may not change what the others say: each row has all its random numbers from the start, by its image's key and
its candidate's number.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.likeliest import highest
from clipcap_ext.engine.decoding.stepper import Decoded, TokenStepper

COLD = 1e-3  # a temperature below which logits are brought near 0 before they are divided by it


def row_generator(seed: int, key: str, candidate: int) -> torch.Generator:
    """A generator that depends on the seed, the image's key and the candidate's number, on nothing else."""
    digest = hashlib.sha256(f"{seed}\0{key}\0{candidate}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def draws_of(options: DecodingOptions, steps: int, keys: Sequence[str]) -> Tensor | None:
    """The random numbers (images * candidates, steps) that choose the tokens; None where none are needed."""
    if options.temperature == 0:
        return None
    seed = secrets.randbits(32) if options.seed is None else options.seed
    rows = [(key, candidate) for key in keys for candidate in range(options.num_candidates)]
    draws = [torch.rand(steps, generator=row_generator(seed, *row), dtype=torch.float64) for row in rows]
    return torch.stack(draws)


def decode_rows(
    stepper: TokenStepper, logits: Tensor, stop_ids: Tensor, options: DecodingOptions, steps: int,
    draws: Tensor | None, drafts: Tensor | None = None,
) -> list[Decoded]:  # fmt: skip
    """Each of the stepper's rows until it stops, `steps` tokens at most; logits: (rows, V) of the first;
    draws: (rows, steps).

    drafts (rows, steps): a row also ends at its first token that is another than its draft's.
    """
    ids: list[list[int]] = [[] for _ in range(stepper.rows)]
    sums = [0.0] * len(ids)
    alive = torch.arange(len(ids))  # the stepper's row i decodes row alive[i]
    for step in range(steps):
        logprobs = logits.log_softmax(-1)
        tokens = _choose(logits, options, None if draws is None else draws[alive, step])
        gains = logprobs.gather(1, tokens[:, None])[:, 0]
        for row, token, gain in zip(alive.tolist(), tokens.tolist(), gains.tolist(), strict=True):
            ids[row].append(token)  # the stop token too: ending here has its probability as every word has
            sums[row] += gain
        going = ~torch.isin(tokens, stop_ids)
        if drafts is not None:
            going &= tokens == drafts[alive, step]
        if step + 1 == steps or not going.any():
            break
        if not going.all():
            kept = going.nonzero()[:, 0]
            stepper.select(kept)
            alive, tokens = alive[kept], tokens[kept]
        logits = stepper.step(tokens)
    return [Decoded(tuple(row), total) for row, total in zip(ids, sums, strict=True)]


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature; near 0, where that would overflow, the likeliest alone is left."""
    if temperature < COLD:
        return (logits - logits.max(-1, keepdim=True).values).double().div(temperature).float()
    return logits if temperature == 1 else logits / temperature


def _choose(logits: Tensor, options: DecodingOptions, draws: Tensor | None) -> Tensor:
    if draws is None:
        return logits.argmax(-1)
    ordered, order = highest(_scaled(logits, options.temperature), options.top_k)
    probabilities = ordered.softmax(-1).double()
    cumulative = probabilities.cumsum(-1)
    if options.top_p < 1:
        probabilities[cumulative - probabilities >= options.top_p] = 0  # the likeliest token always stays
        cumulative = probabilities.cumsum(-1)
    places = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)
    last = (probabilities > 0).sum(-1, keepdim=True) - 1  # for a draw that rounding put beyond it
    return order.gather(1, places.minimum(last))[:, 0]
