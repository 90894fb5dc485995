"""Merge-RNN: an LSTM reads the caption so far, the image joins it before the softmax. Not its training.

The baseline of the tables (Tanti, Gatt and Camilleri): the recurrent part never sees the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.card import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint import WEIGHTS_FILE, fill
from clipcap_ext.engine.decoding import clean_caption, search
from clipcap_ext.engine.safefile import read_safetensors
from clipcap_ext.engine.words import EDGE, UNKNOWN, WordVocabulary
from clipcap_ext.errors import CheckpointError, UsageError

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
            raise UsageError(f"A Merge-RNN has sizes of at least 1 and a dropout from 0 to below 1, not {self}.")

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in a checkpoint's config.json."""
        return asdict(self)


class MergeRnnModel(nn.Module):
    """Word embedding and LSTM over the words so far; a linear map of the image; softmax over both side by side."""

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
        """input_ids (B, T) after `state` -> the prefix's vector behind each (B, T, layer_size), and the new state."""
        hidden, state = self.lstm(self.dropout(self.embedding(input_ids)), state)
        return self.dropout(hidden), state

    def see(self, image_features: Tensor) -> Tensor:
        """(B, feature_dim) -> (B, layer_size), in the model's own dtype and on its device."""
        weight = self.image.weight
        return self.dropout(self.image(image_features.to(device=weight.device, dtype=weight.dtype)))

    def merge(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """hidden and seen (..., layer_size) -> logits (..., vocab_size) of the next word."""
        return self.output(torch.cat((hidden, seen), dim=-1))


class MergeStepper:
    """A TokenStepper (see stepper.py) over the LSTM's state; the unknown word is never offered."""

    def __init__(self, model: MergeRnnModel, image_features: Tensor) -> None:
        self._model = model
        self._seen = model.see(image_features)  # (B, layer_size)
        self._state: LSTMState | None = None
        self.rows = len(image_features)
        self.first_logits = self.step(torch.full((self.rows,), EDGE))

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        rows = rows.to(self._seen.device)
        self.rows = len(rows)
        self._seen = self._seen.index_select(0, rows)
        memory, output = self._state
        self._state = (memory.index_select(1, rows), output.index_select(1, rows))

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the word after them."""
        hidden, self._state = self._model.read(tokens.to(self._seen.device).unsqueeze(1), self._state)
        logits = self._model.merge(hidden[:, -1], self._seen).float().cpu()
        logits[:, UNKNOWN] = -torch.inf
        return logits


class MergeRnnCaptioner(FeatureCaptioner):
    """A Captioner (see caption.py) over a loaded Merge-RNN."""

    model: MergeRnnModel

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, feature_dim) of this captioner's encoder, in one batch."""
        options = options or self.default_options
        return self.chosen(features, decode_words(self.model, features, self.tokenizer, options, keys=keys), options)


@torch.inference_mode()
def decode_words(
    model: MergeRnnModel, features: Tensor, words: WordVocabulary, options: DecodingOptions, *, keys: Sequence[str]
) -> list[list[Candidate]]:
    """Captions for features (B, feature_dim): B lists of num_candidates Candidates, best first.

    keys, one name an image, seed its sampling. A caption ends, as every captioner's, with a full stop.
    """
    if len(keys) != len(features):
        raise UsageError(f"{len(features)} images need as many keys, not {len(keys)}.")
    if not len(keys):
        return []
    found = search(lambda: MergeStepper(model, features), (EDGE,), options, options.max_new_tokens, keys)
    return [
        [Candidate(clean_caption(words.decode(one.ids)), one.sum_logprob / len(one.ids)) for one in group]
        for group in found
    ]


def load_merge_rnn(folder: Path, config: CheckpointConfig) -> MergeRnnModel:
    """Rebuild a Merge-RNN from its folder: evaluation mode, float32, on the CPU. CheckpointError if it does not fit."""
    try:
        architecture = MergeRnnConfig(**config.model)
    except (TypeError, UsageError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no Merge-RNN: {error}") from error
    weights = folder / WEIGHTS_FILE
    return fill(lambda: MergeRnnModel(architecture), read_safetensors(weights), str(weights))
