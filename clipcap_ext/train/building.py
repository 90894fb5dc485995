"""From a configuration to its task; the only place in training that knows every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipcap_ext.corpus.feature_folder import is_feature_folder
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.merge_rnn.config import MergeConfig
from clipcap_ext.train.sbg.config import SbgConfig
from clipcap_ext.train.task import Task


def build_task(config: TrainConfig, data: Path, cache: Path, say: Callable[[str], None]) -> Task[Any]:
    """Read the data and build the model of the configuration's task; CorpusError or UsageError say what is
    missing."""
    if is_feature_folder(data):
        return _build_streamed(config, data, say)
    if isinstance(config, ContrastiveConfig):
        from clipcap_ext.train.contrastive.task import ContrastiveTask

        return ContrastiveTask.build(config, data, cache, say)
    if isinstance(config, CaptioningConfig):
        return _build_clipcap(config, data, cache, say)
    if isinstance(config, SbgConfig):
        from clipcap_ext.train.sbg.task import SbgTask

        return SbgTask.build(config, data, cache, say)
    if isinstance(config, MergeConfig):
        from clipcap_ext.train.merge_rnn.task import MergeRnnTask

        return MergeRnnTask.build(config, data, cache, say)
    raise UsageError(f"There is no training task {config.task!r}.")


def _build_clipcap(
    config: CaptioningConfig, data: Path, cache: Path, say: Callable[[str], None]
) -> Task[Any]:
    if config.evidence:
        from clipcap_ext.train.clipcap.evident_task import EvidentTask

        return EvidentTask.build(config, data, cache, say)
    from clipcap_ext.train.clipcap.task import ClipCapTask

    return ClipCapTask.build(config, data, cache, say)


def _build_streamed(config: TrainConfig, data: Path, say: Callable[[str], None]) -> Task[Any]:
    if not isinstance(config, CaptioningConfig) or config.evidence:
        kind = "evidence=true" if isinstance(config, CaptioningConfig) else config.task
        raise UsageError(f"{data} is a folder of features, which only ClipCap presets train on, not {kind}.")
    from clipcap_ext.train.clipcap.streamed import StreamedClipCapTask

    return StreamedClipCapTask.build(config, data, say)
