"""The Merge-RNN network: an LSTM reads the caption so far, the image joins it before the softmax. Source:
Tanti, Gatt, Camilleri."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.errors import UsageError

LSTMState = tuple[Tensor, Tensor]  # each (1, B, layer_size)


@dataclass(frozen=True)
class MergeRnnConfig:
    """The architecture, all that is needed to rebuild the model before its weights are read."""

    feature_dim: int
    vocab_size: int
    layer_size: int = 256
    dropout: float = 0.0  # of the word embeddings, of the LSTM's output and of the image; only in training

    def __post_init__(self) -> None:
        if min(self.feature_dim, self.vocab_size, self.layer_size) < 1 or not 0 <= self.dropout < 1:
            raise UsageError(
                f"A Merge-RNN has sizes of at least 1 and a dropout from 0 to below 1, not {self}."
            )

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in a checkpoint's config.json."""
        return asdict(self)


class MergeRnnModel(nn.Module):
    """Word embedding and LSTM over the words so far; a linear map of the image; softmax over both side by
    side."""

    def __init__(self, config: MergeRnnConfig) -> None:
        super().__init__()
        self.config = config
        size = config.layer_size
        self.embedding = nn.Embedding(config.vocab_size, size)
        self.lstm = nn.LSTM(size, size, batch_first=True)
        self.image = nn.Linear(config.feature_dim, size)
        self.output = nn.Linear(2 * size, config.vocab_size)
        self.dropout = nn.Dropout(config.dropout)

    def read(self, input_ids: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """input_ids (B, T) after `state` -> the prefix's vector behind each (B, T, layer_size), and the new
        state."""
        hidden, state = self.lstm(self.dropout(self.embedding(input_ids)), state)
        return self.dropout(hidden), state

    def see(self, image_features: Tensor) -> Tensor:
        """(B, feature_dim), what stands behind it unread -> (B, layer_size), in the model's own dtype and on
        its device."""
        weight = self.image.weight
        seen = image_features[:, : self.config.feature_dim]
        return self.dropout(self.image(seen.to(device=weight.device, dtype=weight.dtype)))

    def merge(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """hidden and seen (..., layer_size) -> logits (..., vocab_size) of the next word."""
        return self.output(torch.cat((hidden, seen), dim=-1))
