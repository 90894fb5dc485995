"""The options of training a ClipCap; no model is built here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from clipcap_ext.engine.clipcap.mappers import MapperConfig
from clipcap_ext.errors import UsageError
from clipcap_ext.options import option
from clipcap_ext.train.captioner_config import decoding_copy
from clipcap_ext.train.language_model import LanguageModelConfig

EVIDENCE = {  # EvidenceConfig's words; the last two were chosen on Flickr8k's development photos
    "most": 3, "low": 0.08, "likely": 0.2, "sure": 0.5, "tokens": 14, "general": 0.4, "guess": 0.25,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CaptioningConfig(MapperConfig, LanguageModelConfig):
    """Options of training a ClipCap."""

    task: ClassVar[str] = "clipcap"
    card: ClassVar[str] = (
        "A ClipCap captioner: image features of `{}`, a mapping network and a GPT-2 that writes the caption."
    )

    views: int = option(1, "Looks at each training photo: the plain one, then seeded crops and flips.", low=1)
    buffer: int = option(
        50_000, "Captions in memory, shuffled together, where a feature folder is trained on.", low=1
    )
    feature_noise: float = option(
        0.0, "Deviation of noise added to training features, over their norm.", low=0
    )
    prefix_length: int = option(10, "Embeds that stand for the image in front of the caption.", low=1)
    gpt2: str = option(
        "gpt2", "Where GPT-2 comes from: a GPT-2 folder, a ClipCap checkpoint, a Hub name, or scratch."
    )
    lm: str = option(
        "", "Another language model in its place: a folder that transformers reads, with its own tokenizer."
    )
    start: str = option("", "A ClipCap checkpoint folder: all weights and the vocabulary start from it.")
    trained: str = option("all", "What is trained; mapper keeps GPT-2 as it is.", choices=("all", "mapper"))
    tokenizer: str = option(
        "gpt2",
        "GPT-2's own vocabulary, or one learnt on the training captions.",
        choices=("gpt2", "captions"),
    )
    vocab_size: int = option(50257, "Entries of a vocabulary learnt on the captions.", low=258)
    lowercase: bool = option(True, "Lower-case the captions.")
    teacher: str = option(
        "",
        "Captions of the training photos by another model, as `caption --json` writes them, learnt beside "
        "the people's.",
    )
    teacher_times: int = option(3, "How often a teacher's caption is learnt for once each person's.", low=1)
    max_tokens: int = option(67, "Tokens a training caption is cut to.", low=1)
    ignore_token_zero: bool = option(False, "Never learn token 0, as the published loss.")
    num_beams: int = decoding_copy("num_beams")
    length_penalty: float = decoding_copy("length_penalty")
    no_repeat_ngram_size: int = decoding_copy("no_repeat_ngram_size")
    when_unsure: str = decoding_copy("when_unsure")

    evidence: bool = option(False, "Learn to read and to say what the encoder's classifier saw.")
    swapped: float = option(
        0.0,
        "Share of captions in which one thing is swapped, in the evidence too (with evidence).",
        low=0,
        high=0.9,
    )
    photoless: float = option(0.0, "Share of captions without photos (with evidence).", low=0, high=0.9)
    plain: float = option(0.0, "Share of plain captions made of evidence alone.", low=0, high=0.9)
    texts: str = option("", "Captions without photos: a .csv or .csv.gz with image, split and caption.")
    photoless_limit: int = option(20_000, "How many of them are used; 0 is all.", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_mapper()
        self._check_evidence()
        self._check_language()
        if self.gpt2 != "scratch" and self.sizes_given:
            raise UsageError(
                f"{', '.join(self.sizes_given)} belong to gpt2=scratch; {self.lm or self.gpt2} has its own "
                "sizes: leave them 0."
            )
        if self.trained == "mapper" and self.tokenizer == "captions":
            raise UsageError("trained=mapper keeps GPT-2 as it is, so it cannot learn another vocabulary.")
        self.decoding_options()

    def _check_language(self) -> None:
        if not self.lm and not self.gpt2:
            raise UsageError("gpt2 and lm are both empty: one of them names the language model.")
        theirs = {"tokenizer=captions": self.tokenizer == "captions", "evidence": self.evidence}
        if self.lm and (set_ := [name for name, value in theirs.items() if value]):
            raise UsageError(f"{', '.join(set_)}: for GPT-2 alone, not for lm={self.lm}. Leave it out.")

    def sentence(self, encoder: str) -> str:
        """See CaptionerConfig."""
        plain = super().sentence(encoder)
        return plain.replace("a GPT-2", f"the language model `{Path(self.lm).name}`") if self.lm else plain

    def _check_evidence(self) -> None:
        shares = {"swapped": self.swapped, "photoless": self.photoless, "plain": self.plain}
        if not self.evidence and (any(shares.values()) or self.texts):
            raise UsageError(
                "swapped, photoless, plain and texts belong to evidence=true: set it or leave them out."
            )
        if sum(shares.values()) > 0.9:
            raise UsageError(
                f"{', '.join(shares)} make {sum(shares.values()):.2f} together: leave photos 0.1 or more."
            )
        if bool(self.photoless) != bool(self.texts):
            raise UsageError("photoless is the share of the captions in texts: set both or neither.")

    @property
    def evidence_words(self) -> dict[str, Any]:
        """EvidenceConfig's words in the model's configuration; empty without evidence."""
        return dict(EVIDENCE) if self.evidence else {}
