"""A Merge-RNN rebuilt from its checkpoint folder."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE, fill
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.merge_rnn.model import MergeRnnConfig, MergeRnnModel
from clipcap_ext.errors import CheckpointError, UsageError


def load_merge_rnn(folder: Path, config: CheckpointConfig) -> MergeRnnModel:
    """Rebuild a Merge-RNN from its folder: evaluation mode, float32, on the CPU. CheckpointError if it does
    not fit."""
    try:
        architecture = MergeRnnConfig(**config.model)
    except (TypeError, UsageError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no Merge-RNN: {error}") from error
    weights = folder / WEIGHTS_FILE
    return fill(lambda: MergeRnnModel(architecture), read_safetensors(weights), str(weights))
