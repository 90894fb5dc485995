"""Image-to-text models that are worth a download, small ones first; a table only.

Sizes are reckoned from the number of weights that their pages state, and the bytes that each has there. Any
other repository of these families is fetched by hf:OWNER/NAME.
"""

from __future__ import annotations

from clipcap_ext.engine.hub_name import model_name
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT, PublishedModel


def _row(
    repo: str, model_type: str, purpose: str, licence: str, weights: int, weight_bytes: int = 4
) -> PublishedModel:
    return PublishedModel(
        model_name(repo), purpose, repo=repo, kind=IMAGE_TO_TEXT, licence=licence,
        size=weight_bytes * weights, tokenizer="", model_type=model_type, weights=weights,
    )  # fmt: skip


KNOWN_MODELS: tuple[PublishedModel, ...] = (
    _row("microsoft/git-base-coco", "git",
         "GIT, the small one, trained on COCO: sentences on everyday photos", "mit", 177_000_000),
    _row("microsoft/git-large-coco", "git",
         "GIT, the large one, trained on COCO: sentences on everyday photos", "mit", 394_000_000),
    _row("Salesforce/blip-image-captioning-large", "blip",
         "BLIP, the large one, trained on the web and COCO", "bsd-3-clause", 470_000_000),
    _row("HuggingFaceTB/SmolVLM-256M-Instruct", "idefics3",
         "SmolVLM, the smallest that is asked in words: a sentence, in detail, tags, your own words",
         "apache-2.0", 256_000_000, 2),
    _row("HuggingFaceTB/SmolVLM-500M-Instruct", "idefics3",
         "SmolVLM, the middle one that is asked in words: a sentence, in detail, tags, your own words",
         "apache-2.0", 510_000_000, 2),
    _row("florence-community/Florence-2-base", "florence2",
         "Florence-2, the small one: a sentence, in detail, or tags of what it finds", "mit", 270_000_000, 2),
    _row("florence-community/Florence-2-large", "florence2",
         "Florence-2, the large one: a sentence, in detail, or tags of what it finds", "mit", 820_000_000, 2),
)  # fmt: skip
