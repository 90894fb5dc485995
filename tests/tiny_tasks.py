"""Tiny training tasks on drawn photos or random features, and a trainer around them; not a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipcap_ext.corpus import Corpus, Example, FeatureTable
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.loop.loop import Trainer, seed_everything
from clipcap_ext.train.task import Task

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220), "white": (240, 240, 240)}
CLIP_DIM = 16
CAPTIONING: dict[str, Any] = {
    "epochs": 2, "batch_size": 8, "lr": 1e-2, "encoder": "tiny-clip", "encoder_weights": "",
    "prefix_length": 3,
    "gpt2": "scratch", "n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 24, "dropout": 0.1,
    "tokenizer": "captions", "vocab_size": 300, "max_tokens": 16, "log_every": 1, "device": "cpu",
}  # fmt: skip
CONTRASTIVE: dict[str, Any] = {
    "epochs": 2, "batch_size": 4, "lr": 1e-2, "image_lr": 1e-2, "image_model": "test_efficientnet",
    "image_init": "random", "image_size": 32, "embed_dim": 16, "text_width": 16, "text_layers": 1,
    "text_heads": 2, "context_length": 12, "vocab_size": 300, "log_every": 1, "device": "cpu",
}  # fmt: skip


def captions_of(i: int) -> tuple[str, ...]:
    """Five captions of photo `i`, of different lengths, the first two with what is seen in it."""
    names = list(COLOURS)
    left, right = names[i % 4], names[(i // 4 + 1) % 4]
    return (
        f"A {left} square beside a {right} one .", f"{left} and {right} .", "Two squares",
        f"The left one is {left} !",
        f"A picture of a {left} square on the left and of a {right} square on the right .",
    )  # fmt: skip


def write_flickr(folder: Path) -> None:
    """Images/, the token file and the official lists."""
    (folder / "Images").mkdir()
    lists: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    lines = []
    for i in range(14):
        name = f"{i:03}.jpg"
        picture = Image.new("RGB", (48, 40), COLOURS[list(COLOURS)[i % 4]])
        picture.paste(COLOURS[list(COLOURS)[(i // 4 + 1) % 4]], (24, 0, 48, 40))
        picture.putpixel((i, 0), (0, 0, 0))  # no two files alike
        picture.save(folder / "Images" / name, quality=95)
        lists["train" if i < 8 else "dev" if i < 12 else "test"].append(name)
        lines += [f"{name}#{k}\t{text}" for k, text in enumerate(captions_of(i))]
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for part, names in lists.items():
        (folder / f"Flickr_8k.{part}Images.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def random_features(start: int, count: int, views: int = 1) -> tuple[Corpus, FeatureTable]:
    """Photos start .. start + count - 1 with features that tell what is in them, and a little noise."""
    examples = [
        Example(f"{i}.jpg", Path(f"{i}.jpg"), captions_of(i), None) for i in range(start, start + count)
    ]
    rng = np.random.RandomState(start)
    rows = [
        np.eye(8)[[i % 4, 4 + (i // 4 + 1) % 4]].reshape(-1) + 0.05 * rng.randn(views, 16)
        for i in range(start, start + count)
    ]
    features = torch.from_numpy(np.stack(rows)).float()
    return Corpus("drawn", tuple(examples)), FeatureTable(tuple(e.image_id for e in examples), features)


def write_features(path: Path, sizes: list[int], views: int = 2, captions: int = 5) -> FeatureFolder:
    """Shards of so many photos each, with features that tell what is in them."""
    corpus, table = random_features(0, sum(sizes), views)
    manifest = Manifest(
        EncoderConfig("drawn", "x"), "drawn", CLIP_DIM, views, tuple(f"{i}.tar" for i in range(len(sizes)))
    )
    folder = FeatureFolder.create(path, manifest)
    start = 0
    for number, size in enumerate(sizes):
        chosen = range(start, start + size)
        rows = [Row(str(i), f"{i:016x}", corpus.examples[i].captions[: 1 + i % captions]) for i in chosen]
        folder.write(number, "1", table.features[start : start + size], rows, ())
        start += size
    return folder


def captioning_task(**changes: Any) -> Task:
    """A ClipCap task on features, no encoder and no photo needed."""
    from clipcap_ext.train.clipcap.task import ClipCapTask

    config = CaptioningConfig(**{**CAPTIONING, **changes})
    train, train_features = random_features(0, 8, config.views)
    val, val_features = random_features(8, 4)
    seed_everything(config.seed)
    return ClipCapTask(config, train, train_features, val, val_features)


def contrastive_task(data: Path, **changes: Any) -> Task:
    """A contrastive task on the drawn photos of `flickr_folder`."""
    from clipcap_ext.train.contrastive.task import ContrastiveTask

    config = ContrastiveConfig(**{**CONTRASTIVE, **changes})
    seed_everything(config.seed)
    return ContrastiveTask.build(config, data, data / "unused", lambda line: None)


def trainer(task: Task, out: Path, **named: Any) -> Trainer:
    """A trainer in this process on the CPU."""
    from accelerate import Accelerator

    out.mkdir(exist_ok=True)
    seed_everything(task.config.seed)
    return Trainer(task, out, Accelerator(cpu=True), **named)


def stop_after(steps: int) -> Callable[[], bool]:
    """A question that is true when asked for the `steps`-th time."""
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] >= steps

    return stop


def weights(task: Task) -> dict[str, torch.Tensor]:
    """Copies of every tensor of the task's module."""
    return {name: tensor.detach().clone() for name, tensor in task.module.state_dict().items()}


def same(first: Any, second: Any) -> bool:
    """Whether two nests of dictionaries, lists and tensors are equal to the last bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return first == second


def words(data: Path, out: Path, encoder: Path, *more: str) -> list[str]:
    """The command line of a tiny captioning run."""
    changes = {
        **CAPTIONING,
        "encoder": encoder,
        "views": 2,
        "mapper_dropout": 0.0,
        "epochs": 1,
        "ema": 0.0,
        "precision": "fp32",
    }
    return ["tiny-flickr8k", "--data", str(data), "--out", str(out), *_settings(changes), *more]


def streamed_settings(encoder: Path) -> list[str]:
    """The options of a tiny captioning run on a feature folder, three pictures held out."""
    changes = {"encoder": encoder, "views": 1, "mapper_dropout": 0.0, "precision": "fp32", "holdout": 3}
    return _settings({**CAPTIONING, **changes})


def _settings(changes: dict[str, Any]) -> list[str]:
    return [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
