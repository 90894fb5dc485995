"""A ClipCap rebuilt from its checkpoint folder; what is in such a folder is checkpoint/'s."""

from __future__ import annotations

from pathlib import Path

import torch

from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE, fill
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.errors import CheckpointError, UsageError


def load_clipcap(folder: Path, config: CheckpointConfig, dtype: torch.dtype = torch.float32) -> ClipCapModel:
    """Rebuild a ClipCap from its folder: evaluation mode, `dtype`, on the CPU. CheckpointError if it does not
    fit."""
    try:
        architecture = ClipCapConfig(**config.model)
    except (TypeError, UsageError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no ClipCap: {error}") from error
    weights = folder / WEIGHTS_FILE
    return fill(
        lambda: ClipCapModel(architecture, filled=True), read_safetensors(weights), str(weights), dtype
    )


def load_vocabulary(folder: Path, model: ClipCapModel) -> CaptionVocabulary:
    """Read the vocabulary of the language model in a ClipCap's folder; CheckpointError if it is missing,
    malformed or another model's."""
    vocabulary = model.config.language_kind.vocabulary(folder, model.config.language_config)
    embedded = len(model.language.embeddings)
    if vocabulary.vocab_size > embedded:
        raise CheckpointError(
            f"{folder} has a vocabulary of {vocabulary.vocab_size} entries and a language model that embeds "
            f"{embedded}: its files do not belong together. Copy or download it again."
        )
    return vocabulary
