"""The self-critical task: photos with their captions as judges, from a trained ClipCap to a better one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.engine.model import ClipCapModel
from clipcap_ext.errors import UsageError
from clipcap_ext.train.self_critical import SelfCriticalConfig, SelfCriticalModule
from clipcap_ext.train.tasks_clipcap import ClipCapTask


class SelfCriticalTask(ClipCapTask):
    """One item is one training photo, of which captions are drawn anew each time."""

    config: SelfCriticalConfig

    def __init__(self, config: SelfCriticalConfig, *parts: Any) -> None:
        """As ClipCapTask; the items are the photos."""
        super().__init__(config, *parts)
        self.lengths = [1] * len(self.texts)  # all are alike: what will be drawn is not known

    @classmethod
    def build(cls, config: SelfCriticalConfig, data: Path, cache: Path, say: Callable[[str], None]) -> ClipCapTask:
        """As ClipCapTask; UsageError without a captioner to start from."""
        if not config.start:
            raise UsageError("Self-critical training improves a trained captioner: --set start=CHECKPOINT names it.")
        return super().build(config, data, cache, say)

    def make_module(self, model: ClipCapModel) -> SelfCriticalModule:
        """What computes the loss of a batch; it knows the captions of each training photo, as they are learnt."""
        return SelfCriticalModule(model, self.config, self.tokenizer, self.texts)

    def weight(self, items: np.ndarray) -> int:
        """Captions drawn."""
        return len(items) * self.config.samples

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """image_features (B, clip_dim) and photos (B,), the numbers of the photos."""
        return {"image_features": self.look_at(items, items, epoch), "photos": torch.from_numpy(items)}
