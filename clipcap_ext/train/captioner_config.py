"""The options of training any captioner, as far as data, export and cards read them; no kind is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.train.config import TrainConfig, option


@dataclass(frozen=True, kw_only=True)
class CaptionerConfig(TrainConfig):
    """The encoder in front of a captioner, and how its captions are decoded.

    card: a model card's sentence on what it is; {} stands for the encoder's name.
    """

    monitors: ClassVar[Mapping[str, bool]] = {"val_loss": False, "cider": True}
    card: ClassVar[str] = ""

    encoder: str = option("ViT-L-14", "An open_clip model, or a bundled encoder's name or an encoder folder.")
    encoder_weights: str = option("openai", "open_clip's pretrained tag; empty for an encoder of ours.")
    normalize: bool = option(True, "Scale image features to unit norm.")

    @property
    def decoding(self) -> dict[str, Any]:
        """The exported decode defaults, those that differ from DecodingOptions' own."""
        return {}

    def decoding_options(self) -> DecodingOptions:
        """How validation decodes."""
        return DecodingOptions(**self.decoding)
