"""GPT-2 of given sizes with random weights; where its weights come from is its callers' matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from clipcap_ext.errors import UsageError

GPT2_KEYS = (
    "vocab_size",
    "n_positions",
    "n_embd",
    "n_layer",
    "n_head",
    "embd_pdrop",
    "attn_pdrop",
    "resid_pdrop",
)
GPT2_SMALL = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}


def check_gpt2_sizes(sizes: Mapping[str, Any]) -> None:
    """UsageError for keys that GPT-2 lacks or that are missing."""
    unknown = sorted(set(sizes) - set(GPT2_KEYS))
    if unknown:
        raise UsageError(f"Unknown GPT-2 keys {', '.join(unknown)}; known: {', '.join(GPT2_KEYS)}.")
    missing = sorted(set(GPT2_SMALL) - set(sizes))
    if missing:
        raise UsageError(f"The GPT-2 part lacks {', '.join(missing)}.")


def build_gpt2(sizes: Mapping[str, Any]) -> nn.Module:
    """A GPT2LMHeadModel with random weights; `sizes` holds GPT2Config's own names (see GPT2_KEYS)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    last = (
        sizes["vocab_size"] - 1
    )  # GPT-2's <|endoftext|>; only named so that a small vocabulary stays in range
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=last, eos_token_id=last))
