"""From a configuration to its task; the only place in training that knows every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clipcap_ext.corpus.feature_folder import is_feature_folder
from clipcap_ext.errors import UsageError
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.task import Task


def build_task(config: TrainConfig, data: Path, cache: Path, say: Callable[[str], None]) -> Task:
    """Read the data and build the model of the configuration's task; CorpusError or UsageError say what is
    missing."""
    if is_feature_folder(data):
        return _build_streamed(config, data, say)
    if config.task == "contrastive":
        from clipcap_ext.train.contrastive.task import ContrastiveTask

        return ContrastiveTask.build(config, data, cache, say)
    if config.task == "clipcap":
        return _build_clipcap(config, data, cache, say)
    if config.task == "sbg":
        from clipcap_ext.train.sbg.task import SbgTask

        return SbgTask.build(config, data, cache, say)
    if config.task == "merge-rnn":
        from clipcap_ext.train.merge_rnn.task import MergeRnnTask

        return MergeRnnTask.build(config, data, cache, say)
    raise UsageError(f"There is no training task {config.task!r}.")


def _build_clipcap(config: TrainConfig, data: Path, cache: Path, say: Callable[[str], None]) -> Task:
    from clipcap_ext.train.clipcap.config import CaptioningConfig

    assert isinstance(config, CaptioningConfig)
    if config.evidence:
        from clipcap_ext.train.clipcap.evident_task import EvidentTask

        return EvidentTask.build(config, data, cache, say)
    from clipcap_ext.train.clipcap.task import ClipCapTask

    return ClipCapTask.build(config, data, cache, say)


def _build_streamed(config: TrainConfig, data: Path, say: Callable[[str], None]) -> Task:
    if config.task != "clipcap" or getattr(config, "evidence", False):
        kind = "evidence=true" if config.task == "clipcap" else config.task
        raise UsageError(f"{data} is a folder of features, which only ClipCap presets train on, not {kind}.")
    from clipcap_ext.train.clipcap.streamed import StreamedClipCapTask

    return StreamedClipCapTask.build(config, data, say)
