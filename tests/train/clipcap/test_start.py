"""Training that starts from a captioner: all of it is taken over, and another shape than it has is
refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_tasks import captioning_task, same, trainer, weights

from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.module import build_clipcap
from clipcap_ext.train.loop.loop import BEST, LAST
from clipcap_ext.train.presets import PRESETS
from clipcap_ext.train.run import resolve_start


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a captioner that has learnt a little."""
    out = tmp_path_factory.mktemp("trained")
    trainer(captioning_task(epochs=30, seed=3), out).run()
    return out


def test_it_starts_from_the_checkpoint(trained: Path) -> None:
    task = captioning_task(start=str(trained / LAST), dropout=0.3, seed=5)
    finished = captioning_task(epochs=30, seed=3)
    run = trainer(finished, trained, resume=True)
    assert run.progress.finished
    assert same(weights(task), weights(finished))
    assert task.module.clipcap.gpt2.config.attn_pdrop == 0.3


def test_a_start_is_ahead_of_scratch(trained: Path, tmp_path: Path) -> None:
    """One gentle epoch from a start ends far below where one from scratch does."""
    found = []
    for name, start in (("scratch", ""), ("start", str(trained / BEST))):
        task = captioning_task(start=start, epochs=1, lr=1e-3)
        trainer(task, tmp_path / name).run()
        task.module.eval()
        found.append(task.validate()["val_loss"])
    assert found[1] < 0.5 * found[0]


@pytest.mark.parametrize("name", ["flickr8k-original", "coco-transformer", "tiny-flickr8k", "coco-mlp"])
def test_start_alone_takes_its_options(name: str) -> None:
    """Every preset takes the bundled captioner's shape, spelling and encoder, and keeps its own rates."""
    preset = PRESETS[name]
    config = resolve_start(preset, None, ["start=tiny-flickr8k"])
    assert isinstance(config, CaptioningConfig) and isinstance(preset.config, CaptioningConfig)
    held = read_config(BUNDLED / "tiny-flickr8k")
    assert (config.mapper, config.clip_length, config.prefix_length) == ("mlp", 0, 4)
    assert (config.encoder, config.encoder_weights, config.normalize) == ("tiny-clip-flickr8k", "", True)
    assert config.evidence and config.end_stop and config.max_tokens <= 80 - 4 - 14
    assert (config.lr, config.batch_size) == (preset.config.lr, preset.config.batch_size)
    model, tokenizer = build_clipcap(config, 512, [])
    assert model.config.gpt2["n_layer"] == dict(held.model["gpt2"])["n_layer"]
    assert tokenizer.vocab_size == 4000


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["mapper=transformer", "clip_length=4"], "mapper=mlp, not transformer; clip_length=0, not 4"),
        (["gpt2=scratch", "n_layer=12"], "n_layer=3, not 12"),
        (["encoder_weights=openai"], "not openai"),
        (["normalize=false"], "normalize=True, not False"),
        (["vocab_size=300"], "vocab_size=4000, not 300"),
        (["gpt2=gpt2"], "a GPT-2 of its own, not gpt2"),
    ],
)
def test_what_contradicts_the_start_is_said(assignments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match="start=tiny-flickr8k has ") as error:
        resolve_start(PRESETS["flickr8k-original"], None, ["start=tiny-flickr8k", *assignments])
    assert said in str(error.value) and "Leave such options out" in str(error.value)


def test_an_encoder_by_hand_need_not_lie_beside_it(trained: Path, tmp_path: Path) -> None:
    """Such as runs/tiny-clip/best, which the checkpoint calls best and which is no folder beside it."""
    words = [f"start={trained / BEST}", f"encoder={tmp_path}", "encoder_weights="]
    config = resolve_start(PRESETS["tiny-flickr8k"], None, words)
    assert isinstance(config, CaptioningConfig) and config.encoder == str(tmp_path)


def test_another_kind_is_no_start() -> None:
    with pytest.raises(UsageError, match="no ClipCap to go on from: it is a sbg"):
        resolve_start(PRESETS["coco-mlp"], None, ["start=tiny-sbg-flickr8k"])


def test_another_shape_than_the_start_has_is_refused(trained: Path) -> None:
    with pytest.raises(UsageError, match=r"has prefix_length 3, not 4, n_layer 2, not 1: set the options"):
        captioning_task(start=str(trained / BEST), prefix_length=4, n_layer=1)
