"""The options of training any captioner, as far as data, export and cards read them; no kind is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.decoding_option import DecodingOption
from clipcap_ext.options import option, option_field, option_of
from clipcap_ext.train.config import TrainConfig


def decoding_copy(name: str, default: Any = None, low: float | None = None) -> Any:
    """A field that copies the decoding option of that name, its range and its help; with another default or
    `low`."""
    own = DecodingOptions.table()[name]
    return option_field(
        replace(
            own,
            help=f"{own.help} In validation, and the exported default.",
            default=own.default if default is None else default,
            low=own.low if low is None else low,
        )
    )


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

    def sentence(self, encoder: str) -> str:
        """A model card's sentence on what was trained, on the encoder of that name."""
        return self.card.format(encoder)

    @property
    def decoding(self) -> dict[str, Any]:
        """The exported decode defaults: the copied options that differ from DecodingOptions' own.

        A preset's value for another strategy than the chosen one is left out; what somebody set stays, to be
        refused.
        """
        own = asdict(DecodingOptions())
        copies = {
            spec.name: copied
            for spec in fields(self)
            if isinstance(copied := option_of(spec), DecodingOption)
        }
        values = {name: getattr(self, name) for name in copies}
        strategy = DecodingOptions.strategy_of({**own, **values})
        return {
            name: value
            for name, value in values.items()
            if value != own[name] and (strategy in copies[name].acts_in or value != copies[name].default)
        }

    def decoding_options(self) -> DecodingOptions:
        """How validation decodes."""
        return DecodingOptions(**self.decoding)
