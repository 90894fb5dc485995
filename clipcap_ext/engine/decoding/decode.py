"""The one decode path: GPT-2 embeds (or a stepper) in, candidates out, cached and batched; it knows no image.

Greedy and sampling live here, beam search in beams.py, the cache in stepper.py, what no caption may say in
restrictions.py. A row stops at the first
token with a full stop in it, and its text gets the paper's clean-up (text up to the first ".", then " .").
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, DecodingOptions
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.decoding.beams import beam_search
from clipcap_ext.engine.decoding.likeliest import highest
from clipcap_ext.engine.decoding.restrictions import RestrictedStepper, restrictions_of
from clipcap_ext.engine.decoding.stepper import Decoded, Stepper, TokenStepper
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.errors import UsageError

COLD = 1e-3  # a temperature below which logits are brought near 0 before they are divided by it
StepperMaker = Callable[[Gpt2, Tensor, "Tensor | None"], TokenStepper]


def decode(
    lm: Gpt2,
    inputs_embeds: Tensor,
    tokenizer: BpeTokenizer,
    options: DecodingOptions,
    *,
    keys: Sequence[str],
    attention_mask: Tensor | None = None,
    stepper: StepperMaker = Stepper,
) -> list[list[Candidate]]:
    """Decode captions after `inputs_embeds`.

    Args: lm, a GPT2LMHeadModel; inputs_embeds (B, P, n_embd); keys, one name an image, which seeds its
    sampling; attention_mask (B, P), 0 on the left where an image's prompt is shorter; stepper, what makes one
    of the three.
    Returns B lists of num_candidates Candidates, best first. UsageError if the model's positions run out.
    """
    groups = decode_ids(
        lm,
        inputs_embeds,
        tokenizer.stop_ids,
        options,
        keys=keys,
        attention_mask=attention_mask,
        stepper=stepper,
    )
    return [[_candidate(tokenizer, decoded) for decoded in group] for group in groups]


def decode_ids(
    lm: Gpt2,
    inputs_embeds: Tensor,
    stop_ids: Collection[int],
    options: DecodingOptions,
    *,
    keys: Sequence[str],
    attention_mask: Tensor | None = None,
    stepper: StepperMaker = Stepper,
) -> list[list[Decoded]]:
    """`decode` before the words: token ids and summed log-probabilities. `stop_ids` end a row."""
    if len(keys) != len(inputs_embeds):
        raise UsageError(f"{len(inputs_embeds)} images need as many keys, not {len(keys)}.")
    if not len(keys):
        return []
    room = lm.config.n_positions - inputs_embeds.shape[1]
    if room < 1:
        raise UsageError(
            f"A prompt of {inputs_embeds.shape[1]} tokens leaves no room in {lm.config.n_positions} "
            "positions."
        )
    steps = min(options.max_new_tokens, room)
    return search(lambda: stepper(lm, inputs_embeds, attention_mask), stop_ids, options, steps, keys)


@torch.inference_mode()
def search(
    start: Callable[[], TokenStepper],
    stop_ids: Collection[int],
    options: DecodingOptions,
    steps: int,
    keys: Sequence[str],
) -> list[list[Decoded]]:
    """Greedy decoding, sampling or beams, as `options` say, over the stepper that `start` makes: `steps` at
    most."""
    stops = torch.tensor(sorted(stop_ids), dtype=torch.long)
    stepper = RestrictedStepper(start(), restrictions_of(options, stops))
    if options.num_beams > 1:
        return beam_search(stepper, stops, options, steps)
    return _decode_rows(stepper, stops, options, steps, keys)


def row_generator(seed: int, key: str, candidate: int) -> torch.Generator:
    """A generator that depends on the seed, the image's key and the candidate's number, on nothing else."""
    digest = hashlib.sha256(f"{seed}\0{key}\0{candidate}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _decode_rows(
    stepper: TokenStepper, stop_ids: Tensor, options: DecodingOptions, steps: int, keys: Sequence[str]
) -> list[list[Decoded]]:
    """Greedy decoding and sampling, a row for each candidate of each image, all side by side."""
    # A row that has ended leaves the stepper, so that one long caption does not keep the short ones at work.
    # That may not change what the others say: each row has all its random numbers from the start, by its
    # image's key and its candidate's number, and `alive` tells whose the stepper's rows are by now.
    count = options.num_candidates
    rows = torch.arange(len(keys)).repeat_interleave(count)  # a prompt was read once for all of them
    logits = stepper.first_logits.index_select(0, rows)
    if count > 1:
        stepper.select(rows)
    uniforms = _uniforms(options, steps, keys)  # (rows, steps) or None for greedy
    ids: list[list[int]] = [[] for _ in rows]
    sums = [0.0] * len(rows)
    alive = torch.arange(len(rows))  # the stepper's row i decodes candidate alive[i]
    for step in range(steps):
        logprobs = logits.log_softmax(-1)
        draws = None if uniforms is None else uniforms[alive, step]
        tokens = _choose(logits, options, draws)
        for row, token, gain in zip(
            alive.tolist(), tokens.tolist(), logprobs.gather(1, tokens[:, None])[:, 0].tolist(), strict=True
        ):
            ids[row].append(token)  # the stop token too: ending here has its probability as every word has
            sums[row] += gain
        going = ~torch.isin(tokens, stop_ids)
        if step + 1 == steps or not going.any():
            break
        if not going.all():
            kept = going.nonzero()[:, 0]
            stepper.select(kept)
            alive, tokens = alive[kept], tokens[kept]
        logits = stepper.step(tokens)
    decoded = [Decoded(tuple(row), total) for row, total in zip(ids, sums, strict=True)]
    groups = [decoded[start : start + count] for start in range(0, len(decoded), count)]
    return [sorted(group, key=_average, reverse=True) for group in groups]


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature; near 0, where that would overflow, the likeliest alone is left."""
    if temperature < COLD:
        return (logits - logits.max(-1, keepdim=True).values).double().div(temperature).float()
    return logits / temperature


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


def _uniforms(options: DecodingOptions, steps: int, keys: Sequence[str]) -> Tensor | None:
    if options.temperature == 0:
        return None
    seed = secrets.randbits(32) if options.seed is None else options.seed
    rows = [(key, candidate) for key in keys for candidate in range(options.num_candidates)]
    draws = [torch.rand(steps, generator=row_generator(seed, *row), dtype=torch.float64) for row in rows]
    return torch.stack(draws)


def _average(decoded: Decoded) -> float:
    return decoded.sum_logprob / len(decoded.ids)


def _candidate(tokenizer: BpeTokenizer, decoded: Decoded) -> Candidate:
    return Candidate(clean_caption(tokenizer.decode(decoded.ids)), _average(decoded))
