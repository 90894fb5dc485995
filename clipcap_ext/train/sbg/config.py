"""The options of training an SBG; no model is built here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from clipcap_ext.engine.sbg.constants import SelectionConstants
from clipcap_ext.errors import UsageError
from clipcap_ext.options import option
from clipcap_ext.train.captioner_config import decoding_copy
from clipcap_ext.train.language_model import SIZES, LanguageModelConfig


@dataclass(frozen=True, kw_only=True)
class SbgConfig(LanguageModelConfig):
    """Options of training SBG's GPT-2."""

    task: ClassVar[str] = "sbg"
    paper_validation: ClassVar[bool] = True
    card: ClassVar[str] = (
        "An SBG captioner (selective blind guessing): `{}` chooses keywords for an image, a GPT-2 that never "
        "sees the image writes captions from them, and the encoder picks the caption nearest to the image. "
        "The words it may choose from are in labels.json, with where they come from."
    )

    views: int = option(1, "Looks at each training photo, each with its own keywords.", low=1)
    labels: str = option(
        "", "Label bank, a file or folder; make one with python -m clipcap_ext.labels build."
    )
    logit_scale: float = option(100.0, "Scale of the softmax that chooses bank words.", low=1e-3)
    words_most: int = option(0, "Most bank words an image gets; 0 is no bound.", low=0)
    words_template: str = option("{}", "Sentence of bank words, and of every keyword in the last ranking.")
    picture_template: str = option("picture of {}.", "Sentence of subjects, groups, people and labels.")
    group_keywords: int = option(3, "Keywords from the best scenery, plant or object group.", low=0)
    concepts_low: float = option(
        0.0, "Begin with what the encoder's classifier saw, from this probability on; 0 is none.",
        low=0, high=1,
    )  # fmt: skip
    concepts_most: int = option(2, "At most so many things that the classifier saw.", low=0)
    concepts_boost: float = option(
        0.0, "Added to the logits of their words, when captioning, until they are said.", low=0
    )
    block: int = option(
        480,
        "Tokens of a training item, texts run together; 0 makes each image an item, its captions alone.",
        low=0, high=1024,
    )  # fmt: skip
    keyword_dropout: float = option(
        0.0, "Part of the keywords left out at a look; only with block=0.", low=0, high=0.9
    )
    max_tokens: int = option(67, "Tokens a caption is cut to; only with block=0.", low=1)
    swapped: float = option(
        0.0, "Items with one thing swapped, in keywords and captions, for each photo; needs concepts_low.",
        low=0, high=2,
    )  # fmt: skip
    texts: str = option("", "Captions without photos: a .csv or .csv.gz with image, split and caption.")
    photoless_limit: int = option(20_000, "How many of them are used; 0 is all.", low=0)
    num_beams: int = decoding_copy("num_beams")
    num_candidates: int = decoding_copy("num_candidates", 5)
    rank_by: str = decoding_copy("rank_by", "similarity")
    no_repeat_ngram_size: int = decoding_copy("no_repeat_ngram_size")
    temperature: float = decoding_copy("temperature", 1.0, low=0.01)
    top_k: int = decoding_copy("top_k", 50)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gpt2 != "scratch" and (self.sizes_given or self.tokenizer == "captions"):
            raise UsageError(
                f"{self.gpt2} has its own sizes and vocabulary: {', '.join(SIZES)} belong to gpt2=scratch."
            )
        if self.block and (self.keyword_dropout or self.views > 1):
            raise UsageError(
                "keyword_dropout and views need block=0: a block is cut from texts that stay the same."
            )
        if (self.swapped or self.texts) and (self.block or not self.concepts_low):
            raise UsageError(
                "swapped and texts need concepts_low and block=0: their things lead the keywords."
            )
        if self.gpt2 == "scratch" and self.block > self.n_positions:
            raise UsageError(f"A block of {self.block} tokens does not fit {self.n_positions} positions.")

    @property
    def constants(self) -> SelectionConstants:
        """The selection's constants."""
        return SelectionConstants(
            logit_scale=self.logit_scale, words_most=self.words_most, group_keywords=self.group_keywords,
            bare=self.words_template, picture=self.picture_template,
            concepts_low=self.concepts_low, concepts_most=self.concepts_most,
            concepts_boost=self.concepts_boost,
        )  # fmt: skip

    @property
    def decoding(self) -> dict[str, Any]:
        """The exported decode defaults; where they sample a seed, so that a picture keeps its caption."""
        values = super().decoding
        if self.num_candidates == 1:
            values.pop("rank_by", None)
        return {**values, "seed": 0} if "temperature" in values else values
