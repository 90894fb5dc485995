"""Decoding in its plainest form, computed afresh for every token: what the cached one is held to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.language.gpt2 import build_gpt2

Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # ids (1, n), logits (1, V) -> logits (1, V)
STOPS = (13, 14)
GREEDY = DecodingOptions(max_new_tokens=12)
BEAMS = DecodingOptions(max_new_tokens=12, num_beams=3, num_candidates=3)
SAMPLES = DecodingOptions(max_new_tokens=12, temperature=1.3, num_candidates=3, seed=5)


def small_lm(seed: int = 0, vocab_size: int = 40, scale: float = 12.0) -> torch.nn.Module:
    """A random GPT-2 whose logits are far enough apart that rounding never decides."""
    torch.manual_seed(seed)
    lm = build_gpt2(
        {"vocab_size": vocab_size, "n_positions": 48, "n_embd": 32, "n_layer": 2, "n_head": 4}
    ).eval()
    with torch.no_grad():
        lm.transformer.wte.weight.mul_(scale)
    return lm


def embeds(lm: torch.nn.Module, batch: int, length: int = 4, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, length, lm.config.n_embd, generator=generator)


@torch.inference_mode()
def naive_logprobs(
    lm: torch.nn.Module, prefix: torch.Tensor, ids: tuple[int, ...], rules: Sequence[Rule] = ()
) -> torch.Tensor:
    """Next-token log-probabilities after one image's prefix (P, n_embd) and `ids`, everything computed
    afresh; `rules` are transformers' logits processors."""
    rows = [prefix, lm.transformer.wte(torch.tensor(ids, dtype=torch.long))]
    logits = lm(inputs_embeds=torch.cat(rows).unsqueeze(0), use_cache=False).logits[0, -1].clone()
    if not ids:
        logits[list(STOPS)] = -torch.inf
    for rule in rules:
        logits = rule(torch.tensor([ids], dtype=torch.long), logits.unsqueeze(0))[0]
    return logits.log_softmax(-1).double()


def naive_greedy(
    lm: torch.nn.Module, prefix: torch.Tensor, steps: int, rules: Sequence[Rule] = ()
) -> tuple[tuple[int, ...], float]:
    """The likeliest token each time, until a stop."""
    ids: tuple[int, ...] = ()
    total = 0.0
    while len(ids) < steps and not (ids and ids[-1] in STOPS):
        logprobs = naive_logprobs(lm, prefix, ids, rules)
        ids = (*ids, int(logprobs.argmax()))
        total += float(logprobs.max())
    return ids, total


def naive_beams(
    lm: torch.nn.Module, prefix: torch.Tensor, options: DecodingOptions, rules: Sequence[Rule] = ()
) -> list[tuple[int, ...]]:
    """Beam search in its plainest form: every continuation of every beam is written out and sorted."""
    width, penalty = options.num_beams, options.length_penalty
    living: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(options.max_new_tokens):
        every = []
        for total, ids in living:
            every += [
                (total + gain, (*ids, token))
                for token, gain in enumerate(naive_logprobs(lm, prefix, ids, rules).tolist())
            ]
        every = sorted((one for one in every if one[0] > float("-inf")), key=lambda one: -one[0])
        finished += [(total / len(ids) ** penalty, ids) for total, ids in every[:width] if ids[-1] in STOPS]
        finished = sorted(finished, key=lambda one: -one[0])[:width]
        living = [one for one in every if one[1][-1] not in STOPS][:width]
        best_living = max(total / len(ids) ** penalty for total, ids in living)
        if len(finished) == width and finished[-1][0] >= best_living:
            break
    else:
        finished += [(total / len(ids) ** penalty, ids) for total, ids in living]
    return [ids for _, ids in sorted(finished, key=lambda one: -one[0])[: options.num_candidates]]


def naive_diverse(
    lm: torch.nn.Module, prefix: torch.Tensor, options: DecodingOptions
) -> list[tuple[int, ...]]:
    """Diverse beam search in its plainest form: the plain search, and beside it one greedy search for each
    other candidate, which pays for each token that a search before it took at the same step."""
    penalty = options.length_penalty
    widths = [options.num_beams] + [1] * (options.num_candidates - 1)
    living: list[list[tuple[float, tuple[int, ...]]]] = [[(0.0, ())] for _ in widths]
    finished: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in widths]
    going = set(range(len(widths)))
    for step in range(options.max_new_tokens):
        taken: Counter[int] = Counter()
        for group in sorted(going):
            width = widths[group]
            every = []
            for total, ids in living[group]:
                for token, gain in enumerate(naive_logprobs(lm, prefix, ids).tolist()):
                    price = 0 if token in STOPS else options.diversity * taken[token]
                    if gain > float("-inf"):
                        every.append((total + gain - price, total + gain, (*ids, token)))
            every.sort(key=lambda one: -one[0])
            ended = [
                (total / len(ids) ** penalty, ids) for _, total, ids in every[:width] if ids[-1] in STOPS
            ]
            finished[group] = sorted([*finished[group], *ended], key=lambda one: -one[0])[:width]
            living[group] = [(total, ids) for _, total, ids in every if ids[-1] not in STOPS][:width]
            taken.update(ids[-1] for _, ids in living[group])
            scores = [(total / len(ids) ** penalty, ids) for total, ids in living[group]]
            if len(finished[group]) == width and finished[group][-1][0] >= max(scores)[0]:
                going.remove(group)
            elif step + 1 == options.max_new_tokens:
                finished[group] += scores
    best = [max(group, key=lambda one: one[0]) for group in finished]
    return [best[0][1], *(ids for _, ids in sorted(best[1:], key=lambda one: -one[0]))]
