"""Merge-RNN: an LSTM reads the caption so far, the image joins it before the softmax. Not its training.

The baseline of the tables (Tanti, Gatt and Camilleri): the recurrent part never sees the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.checkpoint.vocabulary import EDGE, UNKNOWN, WordVocabulary
from clipcap_ext.engine.decoding.decode import search
from clipcap_ext.engine.decoding.stepper import Decoded
from clipcap_ext.engine.merge_rnn.model import LSTMState, MergeRnnModel
from clipcap_ext.errors import UsageError


class MergeStepper:
    """A TokenStepper (see stepper.py) over the LSTM's state; the unknown word is never offered."""

    def __init__(self, model: MergeRnnModel, image_features: Tensor) -> None:
        self._model = model
        self._seen = model.see(image_features)  # (B, layer_size)
        self.rows = len(image_features)
        self._state: LSTMState
        self.first_logits = self._read(torch.full((self.rows,), EDGE), None)

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows: new row i continues old row rows[i]."""
        rows = rows.to(self._seen.device)
        self.rows = len(rows)
        self._seen = self._seen.index_select(0, rows)
        memory, output = self._state
        self._state = (memory.index_select(1, rows), output.index_select(1, rows))

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (rows,) -> float32 logits (rows, V) on the CPU for the word after them."""
        return self._read(tokens, self._state)

    def _read(self, tokens: Tensor, state: LSTMState | None) -> Tensor:
        hidden, self._state = self._model.read(tokens.to(self._seen.device).unsqueeze(1), state)
        logits = self._model.merge(hidden[:, -1], self._seen).float().cpu()
        logits[:, UNKNOWN] = -torch.inf
        return logits


class MergeRnnCaptioner(FeatureCaptioner[MergeRnnModel, WordVocabulary]):
    """A Captioner (see captioning.py) over a loaded Merge-RNN."""

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features (B, feature_dim) of this captioner's encoder, in one batch."""
        options = options or self.default_options
        return self.make_captions(
            features, decode_words(self.model, features, self.tokenizer, options, keys=keys), options
        )


@torch.inference_mode()
def decode_words(
    model: MergeRnnModel,
    features: Tensor,
    vocabulary: WordVocabulary,
    options: DecodingOptions,
    *,
    keys: Sequence[str],
) -> list[list[Candidate]]:
    """Captions for features (B, feature_dim): B lists of num_candidates Candidates, best first.

    keys, one name an image, seed its sampling. A caption ends, as every captioner's, with a full stop.
    """
    if len(keys) != len(features):
        raise UsageError(f"{len(features)} images need as many keys, not {len(keys)}.")
    if not len(keys):
        return []
    groups = search(lambda: MergeStepper(model, features), (EDGE,), options, options.max_new_tokens, keys)
    return [[_candidate(vocabulary, decoded) for decoded in group] for group in groups]


def _candidate(vocabulary: WordVocabulary, decoded: Decoded) -> Candidate:
    return Candidate(clean_caption(vocabulary.decode(decoded.ids)), decoded.sum_logprob / len(decoded.ids))
