"""Families of image-to-text models, and the class each needs; importing it loads no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcap_ext.errors import CheckpointError, printable


@dataclass(frozen=True)
class Family:
    """Models that are loaded, asked and read alike.

    title: as papers write it. model_class: its name in transformers. since: the first transformers with it.
    """

    title: str
    model_class: str
    since: str

    def too_old(self, here: str) -> str:
        """What to say where transformers `here` does not have it."""
        return (
            f"{self.title} needs transformers {self.since} or newer; here is {here}, which a WebUI sets "
            "itself: take another model, or a WebUI with a newer one."
        )


FAMILIES: Mapping[str, Family] = {  # by config.json's model_type
    "blip": Family("BLIP", "BlipForConditionalGeneration", "4.26"),
    "git": Family("GIT", "GitForCausalLM", "4.26"),
    "vision-encoder-decoder": Family("ViT-GPT2 and its like", "VisionEncoderDecoderModel", "4.12"),
}


def family_of(config: Mapping[str, Any], where: str) -> Family:
    """The family a transformers config.json belongs to; CheckpointError lists the known ones."""
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind]
    raise CheckpointError(
        f"{where} holds a model of type {printable(str(kind))[:60]!r}, which this package cannot caption "
        f"with; it can with: {', '.join(FAMILIES)}."
    )


def class_of(family: Family) -> Any:
    """The family's class in the installed transformers; CheckpointError says which version has it."""
    import transformers

    try:
        return getattr(transformers, family.model_class)
    except AttributeError:
        raise CheckpointError(family.too_old(transformers.__version__)) from None
