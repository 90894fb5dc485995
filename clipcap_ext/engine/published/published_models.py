"""The published captioners that this package knows by name, bundled ones aside; what each is and needs. A
table only.

Sizes are what is fetched, in bytes: of the first as the Hub states it, of the others reckoned from the
architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.hub_name import PREFIX, model_name
from clipcap_ext.errors import UsageError

IMAGE_TO_TEXT, TAGGER = "transformers", "tagger"
OF_A_REPOSITORY = (IMAGE_TO_TEXT, TAGGER)  # kinds whose folder is a repository's files, and named as that
GPT2_REPO = "openai-community/gpt2"
FLICKR_LICENCE = "non-commercial research"
FLICKR_TERMS = (
    "Trained on Flickr8k, whose photos may be used for non-commercial research and education only; its "
    "authors' own terms are on the repository's page."
)
# Files that never change, so their checksums are known before anybody is asked.
TOKENIZER_FILES = {
    "vocab.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}


@dataclass(frozen=True)
class PublishedModel:
    """A captioner that is published somewhere.

    kind: clipcap, sbg, or one of OF_A_REPOSITORY.
    repo: the Hub repository, empty if the file has to be fetched by hand. file: its weights there, empty if
    the repository holds a checkpoint folder of ours, or a transformers GPT-2 (kind sbg) at its root or in one
    folder.
    encoder: None leaves it to the weights. tokenizer: the repository with vocab.json and merges.txt, empty if
    they are beside the weights. gpt2: the weights hold the mapper alone, and GPT-2 small's come from
    GPT2_REPO. size: bytes. model_type, weights: of kind transformers, what its config.json says it is, and
    how many it has.
    licence: a few words; terms: whole sentences where they do not say it all.
    """

    name: str
    purpose: str
    repo: str = ""
    file: str = ""
    kind: str = "clipcap"
    revision: str = "main"
    encoder: EncoderConfig | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    terms: str = ""
    size: int = 0
    tokenizer: str = GPT2_REPO
    gpt2: bool = False
    model_type: str = ""
    weights: int = 0

    def __post_init__(self) -> None:
        if self.kind in OF_A_REPOSITORY and self.name != model_name(self.repo):
            raise UsageError(
                f"{self.name}: a model of kind {self.kind} needs no entry. Fetch it: "
                f"python -m clipcap_ext download {PREFIX}{self.repo or 'OWNER/NAME'}"
            )
        if self.kind not in ("clipcap", "sbg", *OF_A_REPOSITORY):
            raise UsageError(f"{self.name}: kind is clipcap or sbg, not {self.kind!r}.")
        DecodingOptions().with_changes(**self.decoding)


VIT_L, VIT_B = EncoderConfig("ViT-L-14", "openai", True), EncoderConfig("ViT-B-32", "openai", False)
RN50X4 = EncoderConfig("RN50x4", "openai", False)
BEAMS = {"num_beams": 5}

PUBLISHED: tuple[PublishedModel, ...] = (
    PublishedModel(
        "clipcap-flickr8k-gradient",
        "Short sentences on photos of people and dogs: the paper's ClipCap (Flickr8k, clipped gradients)",
        repo="Anshler/clip-prefix", file="flickr8k_gradient.pt", encoder=VIT_L, training={"data": "flickr8k"},
        licence=FLICKR_LICENCE, terms=FLICKR_TERMS, size=651_000_000,
    ),
    PublishedModel(
        "sbg-flickr8k",
        "Short sentences from keywords that CLIP finds; you can change them: the paper's blind guessing",
        repo="Anshler/selective-blind-guessing", kind="sbg", encoder=VIT_L, training={"data": "flickr8k"},
        decoding={"temperature": 1.0, "top_k": 50, "num_candidates": 5, "rank_by": "similarity", "seed": 0},
        licence=FLICKR_LICENCE, terms=FLICKR_TERMS, size=497_760_000,
    ),
    PublishedModel(
        "clipcap-coco",
        "Sentences on everyday photos: CLIP_prefix_caption's COCO model (MLP mapper, GPT-2 trained along)",
        encoder=VIT_B, decoding=BEAMS, training={"data": "coco"}, licence="mit", size=636_000_000,
    ),
    PublishedModel(
        "clipcap-conceptual",
        "Captions as under pictures on the web: CLIP_prefix_caption's Conceptual Captions model (MLP mapper)",
        encoder=VIT_B, decoding=BEAMS, training={"data": "conceptual-captions"}, licence="mit",
        size=636_000_000,
    ),
    PublishedModel(
        "clipcap-coco-transformer",
        "Sentences on everyday photos, a smaller file: CLIP_prefix_caption's COCO model (transformer mapper)",
        encoder=RN50X4, decoding=BEAMS, training={"data": "coco"}, licence="mit", size=230_000_000, gpt2=True,
    ),
)  # fmt: skip


def find_published(name: str, models: tuple[PublishedModel, ...] = PUBLISHED) -> PublishedModel | None:
    """The entry of that name, None if there is none."""
    return next((model for model in models if model.name == name), None)
