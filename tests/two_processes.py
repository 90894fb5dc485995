"""Trains tiny tasks into the folder given, as one of the processes of `accelerate launch`; not a test."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]  # the package; this folder is there already

from tiny_tasks import CAPTIONING, CONTRASTIVE  # noqa: E402

# Nothing random in the model, for processes draw their own dropout. The epsilon is above the rounding of gradients that
# are zero (attention's bias of keys), which Adam would scale up to whole steps.
SHARED = {"lr": 1e-3, "eps": 1e-4, "ema": 0.9, "precision": "fp32", "warmup_steps": 2, "epochs": 2}
PLAIN_CAPTIONING = {**CAPTIONING, **SHARED, "dropout": 0.0, "mapper_dropout": 0.0, "views": 2}
PLAIN_CONTRASTIVE = {
    **CONTRASTIVE, **SHARED, "image_lr": 1e-3, "freeze_image_epochs": 1, "freeze_blocks": 0, "train_size": 0,
    "image_drop": 0.0, "text_init": "random",
}  # fmt: skip


def train_both(data: Path, encoder: Path, out: Path) -> list[int]:
    """Run both presets through the door; their exit codes."""
    from clipcap_ext.train.__main__ import main

    codes = []
    for preset, changes in (
        ("tiny-flickr8k", {**PLAIN_CAPTIONING, "encoder": encoder}),
        ("tiny-clip-flickr8k", PLAIN_CONTRASTIVE),
    ):
        settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
        codes.append(main([preset, "--data", str(data), "--out", str(out / preset), *settings]))
    return codes


if __name__ == "__main__":
    sys.exit(max(train_both(*(Path(word) for word in sys.argv[1:4]))))
