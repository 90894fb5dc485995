"""Our decoding options in the words of transformers' generate, and what it gives back; it loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions

PLACES = ("max_position_embeddings", "n_positions")  # what configs call the places that tokens may stand at
TAKEN = 2  # of them before the first word, at most


def room_of(config: Any) -> int | None:
    """How many tokens a model whose transformers config that is has places to write at; None for no bound."""
    parts = [getattr(config, name, None) for name in ("text_config", "decoder")]
    for part in (*parts, config):
        for name in PLACES:
            if isinstance(places := getattr(part, name, None), int):
                return places - TAKEN
    return None


def settings_of(options: DecodingOptions, room: int | None = None) -> dict[str, Any]:
    """generate's arguments for options. room: the most tokens there are places for."""
    samples = options.temperature > 0
    most = options.max_new_tokens if room is None else min(options.max_new_tokens, room)
    settings: dict[str, Any] = {
        "max_new_tokens": most, "num_beams": options.num_beams, "do_sample": samples,
        "num_return_sequences": options.num_candidates, "no_repeat_ngram_size": options.no_repeat_ngram_size,
        "repetition_penalty": options.repetition_penalty,
    }  # fmt: skip
    if options.min_new_tokens > 1:
        settings["min_new_tokens"] = min(options.min_new_tokens, most)
    if options.num_beams > 1:
        settings["length_penalty"] = options.length_penalty
    if samples:
        chosen = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
        settings |= chosen
    return settings


def written_of(output: Any, beams: bool) -> Tensor:
    """The ids (rows, steps) that were written, without what was asked."""
    written: Tensor = output.sequences[:, -_steps(output, beams) :].cpu()
    return written


def mean_logprobs(output: Any, beams: bool, ends: Sequence[int]) -> list[float]:
    """The mean log-probability (nats) a written token of every sequence of generate's output, the one that
    ends it too.

    ends: the ids that end a caption; what stands behind the first of them was filled in.
    """
    written = written_of(output, beams)
    rows = torch.arange(len(written))
    gains = torch.zeros(written.shape)
    for step in range(written.shape[1]):
        at = output.beam_indices[:, step].clamp(min=0).cpu() if beams else rows
        scores = output.scores[step].float().cpu()[at]  # of beams they are log-probabilities already
        logprobs = scores if beams else scores.log_softmax(-1)
        gains[:, step] = logprobs.gather(1, written[:, step, None])[:, 0]
    ended = torch.isin(written, torch.tensor(ends)).int()
    counted = ended.cumsum(-1) - ended == 0
    return (gains.masked_fill(~counted, 0).sum(-1) / counted.sum(-1)).tolist()


def _steps(output: Any, beams: bool) -> int:
    """How many tokens the longest sequence of the output has."""
    return int((output.beam_indices >= 0).sum(-1).max()) if beams else len(output.scores)
