"""GPT-2 as a LanguageModel: its body and its output weights are called apart, so that logits are computed
only where they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.language_model import Heard


@dataclass(frozen=True)
class Gpt2Language:
    """See LanguageModel."""

    module: Gpt2

    @property
    def n_embd(self) -> int:
        """The width of its embeds."""
        return self.module.config.n_embd

    @property
    def n_positions(self) -> int:
        """How many tokens it reads and writes at most."""
        return self.module.config.n_positions

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.module.device

    @property
    def embeddings(self) -> Tensor:
        """The token embeddings (V, n_embd)."""
        return self.module.transformer.wte.weight

    def embed(self, input_ids: Tensor) -> Tensor:
        """input_ids (..., ) -> embeds (..., n_embd)."""
        return self.module.transformer.wte(input_ids)

    def read(
        self, past: Any, mask: Tensor | None, positions: Tensor, steps: int, keep: bool, **inputs: Tensor
    ) -> Heard:
        """See LanguageModel.read."""
        body = self.module.transformer(
            **inputs, past_key_values=past, attention_mask=mask, position_ids=positions, use_cache=keep
        )
        hidden = body.last_hidden_state[:, -steps:]
        return Heard(self.module.lm_head(hidden), hidden, body.past_key_values if keep else None)

    def label_logits(self, embeds: Tensor, labelled: Tensor) -> Heard:
        """See LanguageModel.label_logits."""
        # No mask: padding stands on the right, where a causal model never looks from a labelled position.
        hidden = self.module.transformer(inputs_embeds=embeds, use_cache=False)[0]
        predicting = hidden[:, -labelled.shape[1] :][labelled]  # (labels, n_embd)
        return Heard(self.module.lm_head(predicting).float(), predicting)
