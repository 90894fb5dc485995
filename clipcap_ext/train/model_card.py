"""The README.md that goes with exported weights: what they are, from which data and settings, with what
departures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clipcap_ext.engine.front_matter import hub_fields, with_front_matter
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.task import RunFacts

TERMS = {
    "flickr": (
        "The Flickr8k and Flickr30k photos belong to their owners and may be used for non-commercial "
        "research and education only; weights trained on them are offered under the same terms."
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


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The options as a reader elsewhere understands them: of a path on this machine only the last name."""
    return {
        name: Path(value).name
        if isinstance(value, str) and len(Path(value).parts) > 1 and Path(value).exists()
        else value
        for name, value in asdict(config).items()
    }


def model_card(
    name: str, what: str, config: TrainConfig, facts: RunFacts, corpus: str, images: int,
    base_models: Sequence[str] = (),
) -> str:  # fmt: skip
    """The card of weights called `name`, as the Hub reads it; what: a sentence on what they are; images: how
    many they saw; base_models: the Hub's names of what they stand on."""
    lines = [
        f"# {name}",
        "",
        what,
        "",
        "## Training data",
        "",
        f"{corpus}: {images} images of its training split.",
    ]
    lines += [terms_of(corpus), "", "## Training", ""]
    lines += [f"Preset `{facts.preset}`, weights of epoch {facts.epoch + 1} (step {facts.step}).", ""]
    if facts.departures:
        lines += [
            "Departures from the published recipe:",
            "",
            *(f"- {text}" for text in facts.departures),
            "",
        ]
    lines += ["| setting | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in settings_of(config).items()]
    lines += [
        "",
        "## Scores",
        "",
        "On the validation images, while training:",
        "",
        "| figure | value |",
        "|---|---|",
    ]
    lines += [f"| {key} | {value:.4f} |" for key, value in facts.metrics.items()]
    lines += [
        "",
        "Test scores with their signatures are in config.json once `python -m clipcap_ext.evaluate` has made "
        "them.",
        "",
        "## Limits",
        "",
        "The model knows the kinds of photo it was trained on and nothing else; it can be wrong about who or "
        "what is",
        "in a picture, and repeats the habits and biases of the people who wrote the captions.",
        "",
    ]
    fields = hub_fields(licence_of(corpus), corpus, base_models, config.task)
    return with_front_matter("\n".join(lines), fields)


def training_facts(config: TrainConfig, facts: RunFacts, corpus: str, images: int) -> dict[str, Any]:
    """What a checkpoint's config.json says of its training."""
    return {
        "preset": facts.preset, "data": corpus, "images": images, "licence": licence_of(corpus),
        "terms": terms_of(corpus), "epoch": facts.epoch + 1, "step": facts.step,
        "settings": settings_of(config),
        "departures": list(facts.departures), "validation": dict(facts.metrics),
    }  # fmt: skip
