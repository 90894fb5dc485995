"""Image-to-text models that are worth a download, small ones first; a table only.

Sizes are reckoned from the number of weights that their pages state, four bytes each. Any other repository of
these families is fetched by hf:OWNER/NAME.
"""

from __future__ import annotations

from clipcap_ext.engine.hub_name import model_name
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT, PublishedModel


def _row(repo: str, purpose: str, licence: str, weights: int) -> PublishedModel:
    return PublishedModel(
        model_name(repo),
        purpose,
        repo=repo,
        kind=IMAGE_TO_TEXT,
        licence=licence,
        size=4 * weights,
        tokenizer="",
    )


KNOWN_MODELS: tuple[PublishedModel, ...] = (
    _row("microsoft/git-base-coco", "GIT, the small one, trained on COCO: sentences on everyday photos",
         "mit", 177_000_000),
    _row("microsoft/git-large-coco", "GIT, the large one, trained on COCO: sentences on everyday photos",
         "mit", 394_000_000),
    _row("Salesforce/blip-image-captioning-large", "BLIP, the large one, trained on the web and COCO",
         "bsd-3-clause", 470_000_000),
)  # fmt: skip
