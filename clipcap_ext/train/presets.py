"""The named recipes: each a configuration and the sentences that say where it departs from the published one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from clipcap_ext.errors import UsageError
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.contrastive import ContrastiveConfig


@dataclass(frozen=True)
class Preset:
    """One recipe: what it makes, its configuration, and each departure from the recipe it is named after."""

    name: str
    summary: str
    config: TrainConfig
    departures: tuple[str, ...] = ()


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "tiny-clip-flickr8k",
            "The bundled encoder: EfficientNet-Lite0 and a small text tower, contrastive, Flickr8k's official split.",
            ContrastiveConfig(
                epochs=12, batch_size=120, lr=1e-3, image_lr=2e-4, warmup_steps=100, weight_decay=0.05, clip_norm=1.0,
                freeze_image_epochs=1, captions_per_image=3, ema=0.998, monitor="t2i_r10", log_every=10, save_every=50,
            ),
        ),
    )
}  # fmt: skip


def find_preset(name: str) -> Preset:
    """The preset of that name; a UsageError lists the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"No preset named {name!r}.{hint} There are: {', '.join(PRESETS)}.")
