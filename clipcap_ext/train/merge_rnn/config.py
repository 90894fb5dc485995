"""The options of training a Merge-RNN; no model is built here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clipcap_ext.options import option
from clipcap_ext.train.captioner_config import CaptionerConfig, decoding_copy


@dataclass(frozen=True, kw_only=True)
class MergeConfig(CaptionerConfig):
    """Options of training a Merge-RNN."""

    task: ClassVar[str] = "merge-rnn"
    card: ClassVar[str] = (
        "A Merge-RNN captioner: an LSTM reads the caption so far, and image features of `{}` join it before "
        "the softmax over words (Tanti, Gatt and Camilleri's baseline)."
    )

    encoder: str = option(
        "tf_efficientnet_lite0", "timm's name of a CNN, or an encoder as for the other captioners."
    )
    encoder_weights: str = option(
        "imagenet", "imagenet for a CNN, open_clip's tag, or empty for an encoder of ours."
    )
    layer_size: int = option(
        256, "Width of the word embedding, of the LSTM and of the image's vector.", low=1
    )
    dropout: float = option(0.0, "Dropout of those three.", low=0, high=0.9)
    min_count: int = option(3, "Words rarer than this in the training captions are unknown.", low=1)
    num_beams: int = decoding_copy("num_beams", 3)
    length_penalty: float = decoding_copy("length_penalty", 0.0)
    max_new_tokens: int = decoding_copy("max_new_tokens", 20)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decoding_options()
