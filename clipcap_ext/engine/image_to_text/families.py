"""Families of image-to-text models, and the class each needs; importing it loads no library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clipcap_ext.engine.image_to_text.lacking import LACKING
from clipcap_ext.engine.image_to_text.tasks import CHAT, CONTINUED, FLORENCE, SENTENCE, Prompts
from clipcap_ext.errors import CheckpointError, printable


@dataclass(frozen=True)
class Family:
    """Models that are loaded, asked and read alike.

    title: as papers write it. model_class: its name in transformers. since: the first transformers with it.
    prompts: how it is asked. nested: its processor wants each picture in a list of its own. package: one
    that its processor needs besides. one_candidate: from which transformers to before which its generate
    fails on several. converted: a repository of the same weights without code, where
    others need theirs.
    """

    title: str
    model_class: str
    since: str
    prompts: Prompts = SENTENCE
    nested: bool = False
    package: str = ""
    one_candidate: tuple[str, str] = ("", "")
    converted: str = ""

    def too_old(self, here: str) -> str:
        """What to say where transformers `here` does not have it."""
        return (
            f"{self.title} needs transformers {self.since} or newer; here is {here}, which a WebUI sets "
            "itself: take another model, or a WebUI with a newer one."
        )

    @property
    def lacking(self) -> dict[str, str]:
        """The decoding options that it does not have, and why."""
        return {**LACKING, **self.prompts.lacking, **self._failing()}

    def _failing(self) -> dict[str, str]:
        """The option that the installed transformers fails on, and why."""
        try:
            here = version("transformers")
        except PackageNotFoundError:
            return {}
        first, mended = self.one_candidate
        if not mended or not version_numbers(first) <= version_numbers(here) < version_numbers(mended):
            return {}
        return {"num_candidates": f"transformers {here} gives one caption of a {self.title} alone"}


FAMILIES: Mapping[str, Family] = {  # by config.json's model_type
    "blip": Family("BLIP", "BlipForConditionalGeneration", "4.26"),
    "git": Family("GIT", "GitForCausalLM", "4.26"),
    "vision-encoder-decoder": Family("ViT-GPT2 and its like", "VisionEncoderDecoderModel", "4.12"),
    "blip-2": Family(
        "BLIP-2", "Blip2ForConditionalGeneration", "4.27", CONTINUED, one_candidate=("4.46", "4.57")
    ),
    "florence2": Family(
        "Florence-2", "Florence2ForConditionalGeneration", "4.56", FLORENCE,
        converted="florence-community/Florence-2-base",
    ),
    "idefics3": Family("Idefics3 and SmolVLM", "Idefics3ForConditionalGeneration", "4.46", CHAT, nested=True),
    "smolvlm": Family(
        "SmolVLM2", "SmolVLMForConditionalGeneration", "4.50", CHAT, nested=True, package="num2words"
    ),
    "llava": Family("LLaVA", "LlavaForConditionalGeneration", "4.46", CHAT),
    "qwen2_vl": Family("Qwen2-VL", "Qwen2VLForConditionalGeneration", "4.46", CHAT),
    "qwen2_5_vl": Family("Qwen2.5-VL", "Qwen2_5_VLForConditionalGeneration", "4.49", CHAT),
}  # fmt: skip


def family_of(config: Mapping[str, Any], where: str) -> Family:
    """The family a transformers config.json belongs to; CheckpointError lists the known ones."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise CheckpointError(
            f"{where} holds a model of type {printable(str(kind))[:60]!r}, which this package cannot caption "
            f"with; it can with: {', '.join(FAMILIES)}.{_ITS_CODE if 'auto_map' in config else ''}"
        )
    family = FAMILIES[kind]
    if family.converted and "auto_map" in config:
        raise CheckpointError(
            f"{where} is a {family.title} that needs code of its own, which is never run. Transformers "
            f"{family.since} and newer has {family.title} itself, for repositories such as "
            f"{family.converted}: python -m clipcap_ext download hf:{family.converted}"
        )
    if "quantization_config" in config:
        raise CheckpointError(
            f"{where} holds weights in few bits (quantization_config), which need further libraries: take "
            "the repository of the same model that it was made from."
        )
    return family


_ITS_CODE = " Code that comes with a model is never run; some have a conversion whose name ends in -hf."


def lacking_of(title: str) -> dict[str, str]:
    """The decoding options that the family of that title does not have, and why."""
    return next(family.lacking for family in FAMILIES.values() if family.title == title)


def version_numbers(text: str) -> tuple[int, ...]:
    """`4.46.1` -> (4, 46)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def class_of(family: Family) -> Any:
    """The family's class in the installed transformers; CheckpointError says which version has it."""
    import transformers

    try:
        return getattr(transformers, family.model_class)
    except AttributeError:
        raise CheckpointError(family.too_old(transformers.__version__)) from None
