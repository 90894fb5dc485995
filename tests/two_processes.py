"""Trains tiny tasks into the folder given, as one of the processes of `accelerate launch`; not a test."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]  # the package; this folder is there already

from tiny_tasks import CAPTIONING, CONTRASTIVE  # noqa: E402

# Nothing random in the model, for processes draw their own dropout. The epsilon is above the rounding of
# gradients that are zero (attention's bias of keys), which Adam would scale up to whole steps.
SHARED = {"lr": 1e-3, "eps": 1e-4, "ema": 0.9, "precision": "fp32", "warmup_steps": 2, "epochs": 2}
PLAIN_CAPTIONING = {**CAPTIONING, **SHARED, "dropout": 0.0, "mapper_dropout": 0.0, "views": 2}
PLAIN_CONTRASTIVE = {
    **CONTRASTIVE, **SHARED, "image_lr": 1e-3, "freeze_image_epochs": 1, "freeze_blocks": 0, "train_size": 0,
    "image_drop": 0.0, "text_init": "random", "texts": "",
}  # fmt: skip


def train_all(data: Path, encoder: Path, features: Path, out: Path) -> list[int]:
    """Run two presets on photos and one on feature shards, several pools an epoch, through the door; exit
    codes."""
    from clipcap_ext.train.__main__ import main

    streamed = {**PLAIN_CAPTIONING, "encoder": "drawn", "encoder_weights": "x", "holdout": 3, "buffer": 12}
    codes = []
    for name, preset, source, changes in (
        ("photos", "tiny-flickr8k", data, {**PLAIN_CAPTIONING, "encoder": encoder}),
        ("shards", "tiny-flickr8k", features, streamed),
        ("encoder", "tiny-clip-flickr8k", data, PLAIN_CONTRASTIVE),
    ):
        settings = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
        codes.append(main([preset, "--data", str(source), "--out", str(out / name), *settings]))
    return codes


if __name__ == "__main__":
    sys.exit(max(train_all(*(Path(word) for word in sys.argv[1:5]))))
