"""Merge-RNN as a thing to train: its options, its first weights and its loss; it reads no data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.checkpoint.vocabulary import EDGE
from clipcap_ext.engine.merge_rnn.model import MergeRnnModel


class MergeModule(nn.Module):
    """A Merge-RNN whose forward is the summed negative log-likelihood (nats) of a batch of captions and their
    ends."""

    def __init__(self, model: MergeRnnModel) -> None:
        super().__init__()
        self.model = model
        first_weights(model)

    def forward(self, image_features: Tensor, input_ids: Tensor, lengths: Tensor) -> Tensor:
        """image_features (B, feature_dim); input_ids (B, T) words padded on the right; lengths (B,) -> summed
        loss."""
        edge = input_ids.new_full((len(input_ids), 1), EDGE)
        heard = torch.cat((edge, input_ids), dim=1)  # (B, T + 1): the start, then the words
        targets = torch.cat((input_ids, edge), dim=1)  # (B, T + 1): the words, then their end
        positions = torch.arange(targets.shape[1], device=targets.device)
        targets = targets.masked_fill(positions == lengths[:, None], EDGE)
        labelled = positions <= lengths[:, None]
        hidden, _ = self.model.read(heard)  # padding stands on the right, where no earlier position hears it
        seen = self.model.see(image_features)[:, None].expand_as(hidden)
        logits = self.model.merge(hidden[labelled], seen[labelled])  # (labels, vocab_size)
        return functional.cross_entropy(logits.float(), targets[labelled], reduction="sum")


@torch.no_grad()
def first_weights(model: MergeRnnModel) -> None:
    """Xavier's uniform weights and no biases, but 1 at the LSTM's forget gate, as TensorFlow adds it."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
        if name == "lstm.bias_ih_l0":
            size = model.config.layer_size
            parameter[size : 2 * size] = 1.0  # torch's order: input, forget, cell, output
