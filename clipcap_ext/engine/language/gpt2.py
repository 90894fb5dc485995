"""GPT-2 of given sizes with random weights; where its weights come from is its callers' matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeGuard, cast

import torch
from torch import nn

from clipcap_ext.errors import UsageError
from clipcap_ext.foreign_json import shown

GPT2_KEYS = (
    "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "embd_pdrop", "attn_pdrop", "resid_pdrop",
)  # fmt: skip
GPT2_SMALL = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
MOST = {
    "vocab_size": 10**7,
    "n_positions": 10**6,
    "n_embd": 10**5,
    "n_layer": 1000,
    "n_head": 1000,
}  # none is near


class Gpt2Sizes(Protocol):
    """What is read of a built GPT-2's configuration."""

    n_layer: int
    n_head: int
    n_embd: int
    n_positions: int


class Gpt2Body(nn.Module):
    """GPT-2 below its output weights: ids or embeds in, hidden states (B, T, n_embd) and its cache out."""

    wte: nn.Embedding


class Gpt2(nn.Module):
    """The face of transformers' GPT2LMHeadModel: what this package uses of it, for annotations alone.

    `build_gpt2` gives transformers' own class, whose types change from version to version and take a minute
    to read; `empty_gpt2` ours, which is the same in numbers and needs no transformers.
    """

    config: Gpt2Sizes
    transformer: Gpt2Body
    lm_head: nn.Linear
    device: torch.device
    save_pretrained: Callable[..., None]  # into a folder that transformers reads; ours lacks it


def check_gpt2_sizes(sizes: Mapping[str, Any]) -> None:
    """UsageError for keys that GPT-2 lacks or that are missing, and for sizes that no GPT-2 has."""
    unknown = sorted(map(str, set(sizes) - set(GPT2_KEYS)))
    if unknown:
        raise UsageError(f"Unknown GPT-2 keys {', '.join(unknown)}; known: {', '.join(GPT2_KEYS)}.")
    missing = sorted(set(GPT2_SMALL) - set(sizes))
    if missing:
        raise UsageError(f"The GPT-2 part lacks {', '.join(missing)}.")
    for name, most in MOST.items():
        if type(sizes[name]) is not int or not 1 <= sizes[name] <= most:
            raise UsageError(f"GPT-2's {name} is a whole number from 1 to {most}, not {shown(sizes[name])}.")
    if sizes["n_embd"] % sizes["n_head"]:
        raise UsageError(f"GPT-2's n_embd {sizes['n_embd']} cannot be shared by n_head {sizes['n_head']}.")
    for name in sorted(set(sizes) - set(MOST)):
        if type(sizes[name]) not in (int, float) or not 0 <= sizes[name] < 1:
            raise UsageError(f"GPT-2's {name} is from 0 to below 1, not {shown(sizes[name])}.")


def build_gpt2(sizes: Mapping[str, Any]) -> Gpt2:
    """A GPT2LMHeadModel with random weights; `sizes` holds GPT2Config's own names (see GPT2_KEYS)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    last = sizes["vocab_size"] - 1  # <|endoftext|>; named so that a small vocabulary stays in range
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=last, eos_token_id=last))


def empty_gpt2(sizes: Mapping[str, Any]) -> Gpt2:
    """A GPT-2 of the same sizes, names and numbers, to be given trained weights."""
    from clipcap_ext.engine.language.own_gpt2 import OwnGpt2

    return cast(Gpt2, OwnGpt2(sizes))


def is_gpt2(module: nn.Module) -> TypeGuard[Gpt2]:
    """Whether a part of a model is a GPT-2 with its output weights."""
    return hasattr(module, "lm_head") and hasattr(module, "transformer")
