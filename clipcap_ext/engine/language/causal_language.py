"""Any causal language model of transformers as a LanguageModel, called as a whole: what it does behind its
output weights (a scale, a cap) is part of its logits."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.engine.language.language_model import Heard
from clipcap_ext.errors import CheckpointError

NEEDED = ("input_ids", "inputs_embeds", "past_key_values", "attention_mask", "use_cache")
LAST_LOGITS = ("logits_to_keep", "num_logits_to_keep")  # by version: of how many last tokens
UNBOUNDED = 10**6  # positions of a model that names no limit


class CausalLanguage:
    """See LanguageModel."""

    def __init__(self, module: nn.Module) -> None:
        """CheckpointError for a model that reads no embeds or keeps no cache that rows can be taken from."""
        self.module = module
        accepted = inspect.signature(module.forward).parameters
        missing = [name for name in NEEDED if name not in accepted]
        if missing:
            raise CheckpointError(
                f"{type(module).__name__} cannot caption: it takes no {' and no '.join(missing)}. Take a "
                "language model of another architecture."
            )
        self._takes_positions = "position_ids" in accepted
        self._last_logits = next((name for name in LAST_LOGITS if name in accepted), None)

    @property
    def n_embd(self) -> int:
        """The width of its embeds."""
        return self.embeddings.shape[1]

    @property
    def n_positions(self) -> int:
        """How many tokens it reads and writes at most."""
        return getattr(self._config, "max_position_embeddings", None) or UNBOUNDED

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.embeddings.device

    @property
    def embeddings(self) -> Tensor:
        """The token embeddings (V, n_embd)."""
        return self._whole.get_input_embeddings().weight

    def embed(self, input_ids: Tensor) -> Tensor:
        """input_ids (..., ) -> embeds (..., n_embd)."""
        return self._whole.get_input_embeddings()(input_ids)

    def read(
        self, past: Any, mask: Tensor | None, positions: Tensor, steps: int, keep: bool, **inputs: Tensor
    ) -> Heard:
        """See LanguageModel.read."""
        place = {"position_ids": positions} if self._takes_positions else {}
        out = self.module(
            **inputs, past_key_values=past, attention_mask=mask, use_cache=keep, **place,
            **self._of_last(steps),
        )  # fmt: skip
        logits = out.logits[:, -steps:]
        return Heard(logits, logits[..., :0], out.past_key_values if keep else None)

    def label_logits(self, embeds: Tensor, labelled: Tensor) -> Heard:
        """See LanguageModel.label_logits."""
        count = labelled.shape[1]
        out = self.module(inputs_embeds=embeds, use_cache=False, **self._of_last(count))
        logits = out.logits[:, -count:][labelled].float()
        return Heard(logits, logits[..., :0])

    @property
    def _whole(self) -> Any:
        return self.module  # transformers' own class, whose types change from version to version

    @property
    def _config(self) -> Any:
        return self._whole.config

    def _of_last(self, count: int) -> dict[str, int]:
        """So that logits are computed for the last tokens alone, where this version can."""
        return {self._last_logits: count} if self._last_logits else {}
