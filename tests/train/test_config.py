"""Configuration: typed, strict, near names for a wrong one; presets hold the paper's figures to the
letter."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from clipcap_ext.errors import UsageError
from clipcap_ext.options import option_of
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.config import options_text, override, parse_assignments, read_overrides
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.presets import PRESETS, find_preset
from clipcap_ext.train.run import resolve

PAPER = {
    "split": "paper", "epochs": 30, "batch_size": 40, "lr": 2e-5, "schedule": "linear", "warmup_steps": 100,
    "weight_decay": 0.0, "eps": 1e-6, "patience": 3, "encoder": "ViT-L-14", "encoder_weights": "openai",
    "normalize": True, "mapper": "mlp", "prefix_length": 10, "gpt2": "gpt2", "trained": "all",
    "lowercase": True,
    "ignore_token_zero": True, "accumulate": 1, "precision": "fp32", "label_smoothing": 0.0, "ema": 0.0,
    "views": 1,
}  # fmt: skip


@pytest.mark.parametrize("data", ["flickr8k", "flickr30k"])
def test_the_paper_to_the_letter(data: str) -> None:
    changes = {"original": {}, "gradient": {"clip_norm": 1.0}, "custom-tokenizer": {"tokenizer": "captions"}}
    for variant, own in changes.items():
        preset = find_preset(f"{data}-{variant}")
        expected = {**PAPER, "clip_norm": 0.0, "tokenizer": "gpt2", "vocab_size": 50257, **own}
        assert {name: getattr(preset.config, name) for name in expected} == expected
        assert len(preset.departures) >= 4 and all(text.endswith(".") for text in preset.departures)


def test_coco_as_published() -> None:
    config = find_preset("coco-transformer").config
    assert isinstance(config, CaptioningConfig)
    assert (config.prefix_length, config.clip_length, config.mapper_layers, config.mapper_heads) == (
        40,
        40,
        8,
        8,
    )
    assert (config.trained, config.epochs, config.batch_size, config.warmup_steps) == ("mapper", 10, 40, 5000)
    other = find_preset("coco-mlp").config
    assert isinstance(other, CaptioningConfig)
    assert (other.mapper, other.prefix_length, other.trained, other.encoder) == ("mlp", 10, "all", "ViT-B-32")
    assert (other.epochs, other.batch_size, other.warmup_steps, other.holdout) == (10, 40, 5000, 0)


def test_all_presets_asked_for_are_there() -> None:
    variants = {
        f"flickr{n}k-{kind}" for n in (8, 30) for kind in ("original", "gradient", "custom-tokenizer")
    }
    assert variants | {"coco-transformer", "tiny-flickr8k", "tiny-clip-flickr8k"} <= set(PRESETS)
    with pytest.raises(UsageError, match=r"Did you mean flickr8k-original\?"):
        find_preset("flickr8k-orginal")


@pytest.mark.parametrize("config", [CaptioningConfig(), ContrastiveConfig()])
def test_every_option_explains_itself(config: Any) -> None:
    listed = options_text(config)
    for spec in fields(config):
        assert (
            option_of(spec).help.endswith((".", ")"))
            and f"{spec.name}={getattr(config, spec.name)}" in listed
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("epoch=3", "did you mean epochs"),
        ("zzz=3", "known: accumulate"),
        ("epochs=three", "not a whole number"),
        ("epochs=2.5", "not a whole number"),
        ("epochs=0", "at least 1"),
        ("lr_floor=2", "from 0 to 1"),
        ("normalize=perhaps", "not true or false"),
        ("schedule=steps", "one of cosine, linear, constant"),
        ("monitor=bleu", "one of val_loss, cider"),
        ("epochs", "takes key=value"),
        ("=3", "takes key=value"),
        ("accumulate=99", "cannot be cut"),
        ("n_layer=2", "belong to gpt2=scratch"),
        ("gpt2=scratch", "needs n_layer"),
    ],
)
def test_wrong_assignments_are_named(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(find_preset("flickr8k-original"), None, [words])


def test_assignments_are_read_as_their_type() -> None:
    config = CaptioningConfig()
    words = ["lr=1e-4", "epochs = 3", "normalize=no", "encoder=a=b", "save_dtype=fp16"]
    found = override(config, parse_assignments(config, words), "--set")
    assert (found.lr, found.epochs, found.normalize, found.encoder) == (1e-4, 3, False, "a=b")
    assert override(config, {"lr": 1}, "file").lr == 1.0
    for wrong in (
        {"epochs": True},
        {"epochs": "3"},
        {"epochs": 3.0},
        {"encoder": None},
        {"lr": float("nan")},
    ):
        with pytest.raises(UsageError):
            override(config, wrong, "file")


def test_a_resolved_configuration_reads_back(tmp_path: Path) -> None:
    preset = find_preset("tiny-flickr8k")
    config = resolve(preset, None, ["epochs=3", "lr=0.005"])
    path = tmp_path / "config.json"
    path.write_text(config.to_json(preset.name))
    assert resolve(preset, path, []) == config
    assert resolve(preset, path, ["epochs=4"]).epochs == 4  # the command line is stronger
    with pytest.raises(UsageError, match="is of task 'clipcap'"):
        resolve(find_preset("tiny-clip-flickr8k"), path, [])


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[1]", "one JSON object"), (None, "cannot be read")]
)
def test_wrong_files_are_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "c.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_overrides(path, CaptioningConfig())
    path.write_text(json.dumps({"epochz": 1}))
    with pytest.raises(UsageError, match=r"c\.json: clipcap has no option 'epochz'"):
        resolve(find_preset("flickr8k-original"), path, [])
