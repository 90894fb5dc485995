"""Merge-RNN as a thing to train: its options, its first weights and its loss; it reads no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.merge_rnn import MergeRnnModel
from clipcap_ext.engine.words import EDGE
from clipcap_ext.train.config import TrainConfig, option


@dataclass(frozen=True, kw_only=True)
class MergeConfig(TrainConfig):
    """Options of training a Merge-RNN."""

    task: ClassVar[str] = "merge-rnn"
    monitors: ClassVar[Mapping[str, bool]] = {"val_loss": False, "cider": True}

    encoder: str = option("tf_efficientnet_lite0", "timm's name of a CNN, or an encoder as for the other captioners.")
    encoder_weights: str = option("imagenet", "imagenet for a CNN, open_clip's tag, or empty for an encoder of ours.")
    normalize: bool = option(True, "Scale image features to unit norm.")
    layer_size: int = option(256, "Width of the word embedding, of the LSTM and of the image's vector.", low=1)
    dropout: float = option(0.0, "Dropout of those three.", low=0, high=0.9)
    min_count: int = option(3, "Words rarer than this in the training captions are unknown.", low=1)
    num_beams: int = option(3, "Beams of the captions in validation, and the exported default.", low=1, high=64)
    length_penalty: float = option(0.0, "Beams are ranked by log-probability / length ** this.", low=-10, high=10)
    max_new_tokens: int = option(20, "Most words of a caption, in validation and as exported default.", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decoding_options()

    @property
    def decoding(self) -> dict[str, Any]:
        """The exported decode defaults, those that differ from DecodingOptions' own."""
        names = ("num_beams", "length_penalty", "max_new_tokens") if self.num_beams > 1 else ("max_new_tokens",)
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(DecodingOptions(), name)}

    def decoding_options(self) -> DecodingOptions:
        """How validation decodes."""
        return DecodingOptions(**self.decoding)


class MergeModule(nn.Module):
    """A Merge-RNN whose forward is the summed negative log-likelihood (nats) of a batch of captions and their ends."""

    def __init__(self, model: MergeRnnModel) -> None:
        super().__init__()
        self.model = model
        first_weights(model)

    def forward(self, image_features: Tensor, input_ids: Tensor, lengths: Tensor) -> Tensor:
        """image_features (B, feature_dim); input_ids (B, T) words padded on the right; lengths (B,) -> summed loss."""
        edge = input_ids.new_full((len(input_ids), 1), EDGE)
        heard = torch.cat((edge, input_ids), dim=1)  # (B, T + 1): the start, then the words
        said = torch.cat((input_ids, edge), dim=1)  # (B, T + 1): the words, then the end where the words end
        positions = torch.arange(said.shape[1], device=said.device)
        said = said.masked_fill(positions == lengths[:, None], EDGE)
        labelled = positions <= lengths[:, None]
        hidden, _ = self.model.read(heard)  # padding stands on the right, where no earlier position hears it
        seen = self.model.see(image_features)[:, None].expand_as(hidden)
        logits = self.model.merge(hidden[labelled], seen[labelled])  # (labels, vocab_size)
        return functional.cross_entropy(logits.float(), said[labelled], reduction="sum")


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
