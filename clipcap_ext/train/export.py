"""What the checkpoint of a captioner says of itself, whatever its kind; the task writes the weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clipcap_ext.engine.card import CheckpointConfig, EncoderConfig
from clipcap_ext.engine.catalog import BUNDLED
from clipcap_ext.engine.clip_encoder import is_encoder_folder
from clipcap_ext.train.model_card import captioner_card, training_facts
from clipcap_ext.train.tasks import RunFacts

if TYPE_CHECKING:
    from clipcap_ext.train.captioning import CaptioningConfig
    from clipcap_ext.train.merge_rnn import MergeConfig
    from clipcap_ext.train.sbg import SbgConfig

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class DataFacts:
    """What a captioner is trained on. encoder_folder: an encoder of ours to lay beside the exports."""

    name: str
    photos: int
    encoder_folder: Path | None = None


def describe(
    kind: str, model: Mapping[str, Any], config: CaptioningConfig | SbgConfig | MergeConfig, facts: RunFacts,
    data: DataFacts, folder: Path,
) -> tuple[CheckpointConfig, str]:  # fmt: skip
    """The configuration and the card of a checkpoint in `folder`.

    An encoder of ours that is not bundled is laid beside it, once. model: the architecture in the kind's own words.
    """
    encoder = _encoder_said(config, data.encoder_folder, folder)
    said = CheckpointConfig(
        kind=kind, name=facts.preset or folder.name, model=model, encoder=encoder, decoding=config.decoding,
        training=training_facts(config, facts, data.name, data.photos),
    )  # fmt: skip
    return said, captioner_card(kind, said.name, config, facts, data.name, data.photos, encoder.model)


def _encoder_said(
    config: CaptioningConfig | SbgConfig | MergeConfig, source: Path | None, folder: Path
) -> EncoderConfig:
    if source is None:
        return EncoderConfig(config.encoder, config.encoder_weights, config.normalize)
    said = EncoderConfig(source.resolve().name, "", config.normalize)
    beside = folder.parent / said.model
    if not is_encoder_folder(BUNDLED / said.model) and not beside.exists():
        shutil.copytree(source, beside)
    return said
