"""Whose folder a models folder holds, ours, one as transformers saves it or a tagger's, and what is known of
others' models; no torch."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig, read_config
from clipcap_ext.engine.image_to_text import describing
from clipcap_ext.engine.image_to_text.describing import describe, is_of_transformers
from clipcap_ext.engine.image_to_text.known_models import KNOWN_MODELS
from clipcap_ext.engine.published.published_models import TAGGER, PublishedModel
from clipcap_ext.engine.tagger.describing import check_runtime, describe_tagger, is_tagger
from clipcap_ext.engine.tagger.known_taggers import KNOWN_TAGGERS
from clipcap_ext.errors import CheckpointError

OF_OTHERS = (*KNOWN_MODELS, *KNOWN_TAGGERS)  # named as their repositories


def is_model(folder: Path) -> bool:
    """Whether a folder explains itself, well or not."""
    return (folder / CONFIG_FILE).is_file() or is_tagger(folder)


def config_of(folder: Path) -> CheckpointConfig:
    """What a folder says of itself, in our words; CheckpointError for what is wrong with it."""
    if is_tagger(folder):
        return describe_tagger(folder)
    return describe(folder) if is_of_transformers(folder) else read_config(folder)


def problem_to_fetch(model: PublishedModel) -> str:
    """Why a published model could not be used here once it was fetched, empty where it could."""
    if model.kind != TAGGER:
        return describing.problem_to_fetch(model)
    try:
        check_runtime(model.name)
    except CheckpointError as error:
        return str(error)
    return ""
