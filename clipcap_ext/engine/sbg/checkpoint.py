"""An SBG checkpoint: GPT-2 without a mapper, its label bank and selection constants beside it; saved and
loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE, fill, save_checkpoint
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.language.gpt2 import Gpt2, check_gpt2_sizes, empty_gpt2
from clipcap_ext.engine.sbg.constants import SelectionConstants
from clipcap_ext.engine.sbg.label_files import LABELS_FILE, bank_json
from clipcap_ext.engine.sbg.labels import LabelBank
from clipcap_ext.errors import CheckpointError, UsageError


def sbg_model(gpt2_sizes: Mapping[str, Any], constants: SelectionConstants) -> dict[str, Any]:
    """The `model` part of an SBG's config.json: GPT-2's sizes, and the constants that differ from the
    published."""
    return {"gpt2": dict(gpt2_sizes), "selection": constants.changes()}


def save_sbg(
    folder: Path, gpt2: Gpt2, tokenizer: BpeTokenizer, bank: LabelBank, config: CheckpointConfig, *,
    card: str, trained_on: Iterable[str] = (), dtype: torch.dtype = torch.float32,
) -> None:  # fmt: skip
    """Write an SBG checkpoint folder, atomically; `config.model` is `sbg_model`'s."""
    files = {LABELS_FILE: bank_json(bank)}
    save_checkpoint(
        folder, gpt2, tokenizer, config, card=card, trained_on=trained_on, dtype=dtype, files=files
    )


def load_sbg(
    folder: Path, config: CheckpointConfig, dtype: torch.dtype = torch.float32
) -> tuple[Gpt2, SelectionConstants]:
    """Rebuild SBG's GPT-2 (evaluation mode, `dtype`, CPU) and its constants; CheckpointError if they do not
    fit."""
    try:
        sizes, changes = config.model["gpt2"], config.model.get("selection", {})
        check_gpt2_sizes(sizes)
        constants = SelectionConstants.from_changes(changes)
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no SBG: {error!r}") from error
    weights = folder / WEIGHTS_FILE
    return fill(lambda: empty_gpt2(sizes), read_safetensors(weights), str(weights), dtype), constants
