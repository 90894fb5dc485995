"""SBG as a thing to train: its options, its two losses and where its GPT-2 comes from; it reads no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer, load_tokenizer, train_bpe
from clipcap_ext.engine.language.gpt2 import Gpt2, build_gpt2
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.module import gpt2_folder, pretrained_gpt2
from clipcap_ext.train.sbg.config import SbgConfig


class SbgModule(nn.Module):
    """SBG's GPT-2; its forward is the summed negative log-likelihood (nats) of blocks, or of captions after
    prompts."""

    def __init__(self, gpt2: Gpt2, label_smoothing: float) -> None:
        super().__init__()
        self.gpt2 = gpt2
        self._smoothing = label_smoothing

    def forward(
        self, input_ids: Tensor, lengths: Tensor | None = None, rows: Tensor | None = None,
        prompt_ids: Tensor | None = None, prompt_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Blocks: input_ids (B, T) alone, every token after the first is learnt.

        Captions: input_ids (C, T) padded on the right, lengths (C,) and rows (C,), which of the prompts each
        follows; prompt_ids (B, P) padded on the left, prompt_mask (B, P). A prompt is read once for all its
        captions, and only captions are learnt.
        """
        if lengths is None or rows is None or prompt_ids is None or prompt_mask is None:
            hidden = self.gpt2.transformer(input_ids[:, :-1], use_cache=False)[0]
            return self._loss(hidden.flatten(0, 1), input_ids[:, 1:].flatten())
        hidden = self._after_prompts(
            prompt_ids, prompt_mask, rows, input_ids
        )  # (C, T, n_embd): t predicts token t
        learnt = torch.arange(input_ids.shape[1], device=input_ids.device) < lengths[:, None]
        return self._loss(hidden[learnt], input_ids[learnt])

    def _after_prompts(
        self, prompt_ids: Tensor, prompt_mask: Tensor, rows: Tensor, input_ids: Tensor
    ) -> Tensor:
        body = self.gpt2.transformer
        positions = (prompt_mask.cumsum(1) - 1).clamp_min(0)
        read = body(prompt_ids, attention_mask=prompt_mask, position_ids=positions, use_cache=True)
        last = read.last_hidden_state[rows, -1:]  # (C, 1, n_embd): predicts a caption's first token
        # padding stands on the right of a caption, where a causal model never looks from a learnt position
        ids = input_ids[:, :-1]
        mask = torch.cat((prompt_mask[rows], torch.ones_like(ids)), dim=1)
        positions = prompt_mask.sum(1)[rows, None] + torch.arange(ids.shape[1], device=ids.device)
        past = repeat_cache(read.past_key_values, rows)
        after = body(ids, past_key_values=past, attention_mask=mask, position_ids=positions, use_cache=True)
        return torch.cat((last, after.last_hidden_state), dim=1)

    def _loss(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Label smoothing counts in training only: a validation loss is the plain one."""
        smoothing = self._smoothing if self.training else 0.0
        logits = self.gpt2.lm_head(hidden).float()
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")


def repeat_cache(past: Any, rows: Tensor) -> Any:
    """A key-value cache with row rows[i] in place i, differentiable, in whichever form transformers gives
    it."""
    if isinstance(past, tuple):  # transformers up to 4.46
        return tuple(tuple(part.index_select(0, rows) for part in layer) for layer in past)
    past.reorder_cache(rows)
    return past


def build_sbg(config: SbgConfig, texts: Sequence[str]) -> tuple[Gpt2, dict[str, Any], BpeTokenizer]:
    """GPT-2, its sizes and its tokenizer: from scratch with a vocabulary learnt on `texts`, or from a
    folder."""
    dropout = dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), config.dropout)
    keys = ("n_positions", "n_embd", "n_layer", "n_head")
    if config.gpt2 == "scratch":
        tokenizer = train_bpe(texts, config.vocab_size)
        sizes = {**{key: getattr(config, key) for key in keys}, "vocab_size": tokenizer.vocab_size, **dropout}
        return build_gpt2(sizes), sizes, tokenizer
    folder = gpt2_folder(config.gpt2)
    source = pretrained_gpt2(folder)
    state = source.state_dict()
    sizes = {
        **{key: getattr(source.config, key) for key in keys},
        "vocab_size": len(state["lm_head.weight"]),
        **dropout,
    }
    gpt2 = build_gpt2(sizes)
    gpt2.load_state_dict(state)
    return gpt2, sizes, load_tokenizer(folder)


def cut_blocks(rows: Sequence[Sequence[int]], block: int, seed: int) -> np.ndarray:
    """Texts' ids, shuffled by seed and run together, in blocks (N, block); what is left over at the end is
    dropped."""
    order = np.random.default_rng((seed, 9)).permutation(len(rows))
    joined = np.concatenate([np.asarray(rows[i], dtype=np.int64) for i in order])
    count = len(joined) // block
    if count == 0:
        raise UsageError(f"All texts together have {len(joined)} tokens, less than one block of {block}.")
    return joined[: count * block].reshape(count, block)
