"""Taggers that are worth a download, small ones first; a table only.

Sizes are those that programs which fetch these files state. Any other repository with a model.onnx and a
selected_tags.csv is fetched by hf:OWNER/NAME.
"""

from __future__ import annotations

from clipcap_ext.engine.hub_name import model_name
from clipcap_ext.engine.published.published_models import TAGGER, PublishedModel


def _row(repo: str, purpose: str, size: int) -> PublishedModel:
    return PublishedModel(
        model_name(repo), purpose, repo=repo, kind=TAGGER, licence="apache-2.0", size=size, tokenizer=""
    )


KNOWN_TAGGERS: tuple[PublishedModel, ...] = (
    _row("SmilingWolf/wd-vit-tagger-v3", "Tags of drawings as Danbooru has them, ViT: the smaller one",
         379_000_000),
    _row("SmilingWolf/wd-swinv2-tagger-v3", "Tags of drawings as Danbooru has them, SwinV2: the larger one",
         467_000_000),
)  # fmt: skip
