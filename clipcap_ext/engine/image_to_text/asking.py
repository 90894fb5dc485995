"""Our decoding options in the words of transformers' generate, and what it gives back; it loads no model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.errors import UsageError


def settings_of(options: DecodingOptions) -> dict[str, Any]:
    """generate's arguments for options; UsageError for what these models cannot do."""
    if options.rank_by == "similarity":
        raise UsageError("rank_by=similarity needs a model that reads texts with CLIP: use logprob here.")
    if options.diversity:
        raise UsageError("diversity is not known to this kind of model: set it to 0, or sample instead.")
    samples = options.temperature > 0
    settings: dict[str, Any] = {
        "max_new_tokens": options.max_new_tokens, "num_beams": options.num_beams, "do_sample": samples,
        "num_return_sequences": options.num_candidates, "no_repeat_ngram_size": options.no_repeat_ngram_size,
        "repetition_penalty": options.repetition_penalty,
    }  # fmt: skip
    if options.min_new_tokens > 1:
        settings["min_new_tokens"] = options.min_new_tokens
    if options.num_beams > 1:
        settings["length_penalty"] = options.length_penalty
    if samples:
        chosen = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
        settings |= chosen
    return settings


def mean_logprobs(model: Any, output: Any, beams: bool, pad: int | None) -> list[float]:
    """The mean log-probability (nats) a written token of every sequence of generate's output."""
    indices = output.beam_indices if beams else None
    gains = model.compute_transition_scores(  # (rows, written)
        output.sequences, output.scores, indices, normalize_logits=not beams
    )
    written = _written(output, gains, beams, pad)
    totals = torch.where(written, gains.float(), torch.zeros(())).sum(-1)
    return (totals / written.sum(-1).clamp(min=1)).tolist()


def _written(output: Any, gains: Tensor, beams: bool, pad: int | None) -> Tensor:
    """(rows, written) whether a token was written, and not filled in behind the end."""
    if beams:
        return output.beam_indices[:, : gains.shape[1]] >= 0
    tokens = output.sequences[:, -gains.shape[1] :]
    filled = torch.zeros_like(tokens, dtype=torch.bool) if pad is None else tokens == pad
    filled[:, 1:] &= filled[:, :-1] | (tokens[:, 1:] == pad)
    return ~filled
