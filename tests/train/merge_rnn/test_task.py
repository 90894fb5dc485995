"""Training a Merge-RNN: its loss by hand, its options, the run that learns, the checkpoint that captions."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_images, write_tiny_encoder
from tiny_tasks import random_features, same, trainer, weights

from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.vocabulary import EDGE
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.merge_rnn.model import MergeRnnConfig, MergeRnnModel
from clipcap_ext.errors import UsageError
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.loop.loop import seed_everything
from clipcap_ext.train.merge_rnn.config import MergeConfig
from clipcap_ext.train.merge_rnn.module import MergeModule
from clipcap_ext.train.merge_rnn.task import MergeRnnTask
from clipcap_ext.train.presets import find_preset

TINY: dict[str, Any] = {
    "epochs": 2, "batch_size": 8, "lr": 1e-2, "encoder": "tiny-clip", "encoder_weights": "", "layer_size": 12,
    "min_count": 2, "log_every": 1, "device": "cpu", "weight_decay": 0.0,
}  # fmt: skip


def task_of(**changes: Any) -> MergeRnnTask:
    config = MergeConfig(**{**TINY, **changes})
    train, val = random_features(0, 8), random_features(8, 4)
    seed_everything(config.seed)
    return MergeRnnTask(config, *train, *val)


def test_the_loss_by_hand() -> None:
    torch.manual_seed(0)
    module = MergeModule(MergeRnnModel(MergeRnnConfig(6, 9, layer_size=4))).eval()
    features, captions = torch.randn(2, 6), [[3, 4, 5], [6]]
    expected = 0.0
    for row, words in zip(features, captions, strict=True):
        hidden, _ = module.model.read(torch.tensor([[EDGE, *words]]))
        for place, word in enumerate([*words, EDGE]):
            logits = module.model.merge(hidden[0, place], module.model.see(row[None])[0])
            expected -= float(logits.log_softmax(-1)[word])
    ids = torch.tensor([[3, 4, 5], [6, 8, 8]])  # what stands behind the end is never looked at
    assert float(module(features, ids, torch.tensor([3, 1]))) == pytest.approx(expected, rel=1e-5)


def test_first_weights_open_the_forget_gate() -> None:
    model = MergeModule(MergeRnnModel(MergeRnnConfig(6, 9, layer_size=4))).model
    gates = (model.lstm.bias_ih_l0 + model.lstm.bias_hh_l0).tolist()
    assert gates == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert not model.image.bias.any() and model.embedding.weight.abs().max() <= (6 / 13) ** 0.5


def test_captions_are_words_without_punctuation() -> None:
    task = task_of()
    assert {"a", "square", "one", "left", "right"} <= set(task.words.words) and "." not in task.words.words
    assert (
        task.words.decode(task._ids[0]).startswith("a ") and task.weight([0, 1]) == sum(task.lengths[:2]) + 2
    )
    rare = task_of(min_count=30)
    assert len(rare.words.words) < len(task.words.words)


CHANGES: dict[str, Any] = {
    "seed": 1, "epochs": 1, "batch_size": 4, "lr": 2e-2, "layer_size": 9, "dropout": 0.4, "min_count": 30,
    "weight_decay": 0.5, "clip_norm": 0.1, "ema": 0.9,
}  # fmt: skip
# Options that leave the weights alone or that the loop's own tests show at work.
ELSEWHERE = {"encoder", "encoder_weights", "normalize", "num_beams", "length_penalty", "max_new_tokens"}


def trained(out: Path, **changes: Any) -> dict[str, torch.Tensor]:
    task = task_of(**changes)
    run = trainer(task, out)
    run.run()
    return run.average.tensors if run.average is not None else weights(task)


def test_each_option_has_an_effect(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain")
    assert same(trained(tmp_path / "again"), plain)
    for name, value in CHANGES.items():
        assert not same(trained(tmp_path / name, **{name: value}), plain), name
    own = {spec.name for spec in fields(MergeConfig)} - {spec.name for spec in fields(TrainConfig)}
    assert own == ELSEWHERE | (own & set(CHANGES))


def test_it_learns_and_says_so(tmp_path: Path) -> None:
    task = task_of(epochs=25, patience=3)
    task.module.eval()
    before = task.validate()["val_loss"]
    trainer(task, tmp_path / "out", preset="a-preset", departures=("It is tiny.",)).run()
    task.module.eval()
    assert task.validate()["val_loss"] < 0.7 * before
    said = read_config(tmp_path / "out" / "best")
    assert said.kind == "merge-rnn" and said.training["departures"] == ["It is tiny."]
    assert said.decoding == {"num_beams": 3, "length_penalty": 0.0, "max_new_tokens": 20}
    assert "the softmax over words" in (tmp_path / "out" / "best" / "README.md").read_text()
    assert (tmp_path / "out" / "best" / "words.json").is_file()


def test_the_exported_model_says_what_validation_said(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "out" / "tiny-clip")  # 32 numbers a photo, where the task has 16
    task = task_of(epochs=6)
    trainer(task, tmp_path / "out").run()
    with pytest.raises(Exception, match="wrong encoder"):
        load_captioner(tmp_path / "out" / "last")
    from clipcap_ext.engine.checkpoint.vocabulary import load_words
    from clipcap_ext.engine.merge_rnn.captioner import decode_words
    from clipcap_ext.engine.merge_rnn.checkpoint import load_merge_rnn

    folder = tmp_path / "out" / "last"
    config = read_config(folder)
    found = decode_words(
        load_merge_rnn(folder, config), task._val_features, load_words(folder), config.decoding_options(),
        keys=task._val_names,
    )  # fmt: skip
    task.module.eval()
    assert dict(zip(task._val_names, (group[0].text for group in found), strict=True)) == task._captions()


def test_from_photos_to_captions(tmp_path: Path, flickr_folder: Path) -> None:
    """The door's way: data folder, encoder, cached features, a checkpoint that captions pictures."""
    write_tiny_encoder(tmp_path / "tiny-clip")
    config = MergeConfig(**{**TINY, "encoder": str(tmp_path / "tiny-clip")})
    task = MergeRnnTask.build(config, flickr_folder, tmp_path / "cache", lambda line: None)
    trainer(task, tmp_path / "out").run()
    said = load_captioner(tmp_path / "out" / "best").caption(tiny_images(2))
    assert all(one.text.endswith(" .") for one in said)


def test_greedy_has_no_length_penalty() -> None:
    assert MergeConfig(**{**TINY, "num_beams": 1}).decoding == {"max_new_tokens": 20}
    with pytest.raises(UsageError, match="min_count"):
        MergeConfig(**{**TINY, "min_count": 0})


def test_the_presets_are_the_published_recipe() -> None:
    for data in ("flickr8k", "flickr30k"):
        preset = find_preset(f"merge-rnn-{data}")
        config = preset.config
        assert (config.layer_size, config.min_count, config.batch_size, config.num_beams) == (256, 3, 50, 3)
        assert (config.lr, config.weight_decay, config.patience, config.monitor) == (1e-3, 0.0, 1, "val_loss")
        assert any("VGG-16" in text for text in preset.departures)
