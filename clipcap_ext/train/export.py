"""What the checkpoint of a captioner says of itself, whatever its kind; the task writes the weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.clip.loading import is_encoder_folder
from clipcap_ext.engine.front_matter import base_models
from clipcap_ext.files import write_folder
from clipcap_ext.train.captioner_config import CaptionerConfig
from clipcap_ext.train.model_card import model_card, training_facts
from clipcap_ext.train.task import RunFacts

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class DataFacts:
    """What a captioner is trained on. encoder_folder: an encoder of ours to lay beside the exports."""

    name: str
    photos: int
    encoder_folder: Path | None = None


def config_and_card(
    model: Mapping[str, Any], config: CaptionerConfig, facts: RunFacts, data: DataFacts, folder: Path
) -> tuple[CheckpointConfig, str]:
    """The configuration and the card of a checkpoint in `folder`.

    An encoder of ours that is not bundled is laid beside it, once. model: the architecture in the kind's own
    words.
    """
    encoder = _export_encoder(config, data.encoder_folder, folder)
    checkpoint = CheckpointConfig(
        kind=config.task, name=facts.preset or folder.name, model=model, encoder=encoder,
        decoding=config.decoding, training=training_facts(config, facts, data.name, data.photos),
    )  # fmt: skip
    what = config.sentence(encoder.model)
    stands_on = base_models(encoder, getattr(config, "gpt2", ""))
    return checkpoint, model_card(checkpoint.name, what, config, facts, data.name, data.photos, stands_on)


def _export_encoder(config: CaptionerConfig, source: Path | None, folder: Path) -> EncoderConfig:
    if source is None:
        return EncoderConfig(config.encoder, config.encoder_weights, config.normalize)
    encoder = EncoderConfig(source.resolve().name, "", config.normalize)
    beside = folder.parent / encoder.model
    if not is_encoder_folder(BUNDLED / encoder.model) and not beside.exists():
        with write_folder(beside) as partial:  # half an encoder would be taken for a whole one
            shutil.copytree(source, partial, dirs_exist_ok=True)
    return encoder
