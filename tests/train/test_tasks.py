"""The two tasks: every option does something, frozen parts stand still, figures mean what they say, exports
load."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_tasks import captioning_task, contrastive_task, same, trainer, weights

from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.clip.text import ClipTokens
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.contrastive.module import contrastive_loss
from clipcap_ext.train.contrastive.task import recalls
from clipcap_ext.train.loop import arithmetic

# Options that leave the weights alone, or that other tests show at work.
ELSEWHERE = {
    "split", "layout", "images", "limit", "holdout", "accumulate", "precision", "device", "workers",
    "validate_images", "monitor", "patience", "save_every", "log_every", "save_dtype",
}  # fmt: skip
SHARED: dict[str, Any] = {
    "seed": 1, "epochs": 1, "batch_size": 2, "lr": 2e-2, "schedule": "constant", "warmup_steps": 2,
    "lr_floor": 0.5,
    "weight_decay": 0.5, "beta1": 0.5, "beta2": 0.5, "eps": 0.1, "clip_norm": 0.1, "ema": 0.9,
}  # fmt: skip
CAPTIONING: dict[str, Any] = {
    **SHARED, "views": 3, "feature_noise": 0.5, "prefix_length": 2, "mapper_dropout": 0.5, "n_layer": 1,
    "n_head": 4,
    "n_embd": 16, "n_positions": 30, "dropout": 0.5, "vocab_size": 280, "lowercase": False, "end_stop": True,
    "max_tokens": 4, "label_smoothing": 0.3,
    "mapper": {"mapper": "transformer", "clip_length": 2, "mapper_layers": 1, "mapper_heads": 2},
    "clip_length": {"mapper": "transformer", "clip_length": 3, "mapper_layers": 1, "mapper_heads": 2},
    "mapper_layers": {"mapper": "transformer", "clip_length": 2, "mapper_layers": 2, "mapper_heads": 2},
    "mapper_heads": {"mapper": "transformer", "clip_length": 2, "mapper_layers": 1, "mapper_heads": 4},
}  # fmt: skip
CAPTIONING_ELSEWHERE = {
    "buffer", "encoder", "encoder_weights", "normalize", "gpt2", "start", "tokenizer", "trained",
    "ignore_token_zero", "num_beams", "length_penalty", "no_repeat_ngram_size",
    "when_unsure",
    "lm", "evidence", "texts", "photoless", "photoless_limit", "plain", "swapped",  # tests/train/clipcap
    "teacher", "teacher_times",  # tests/train/clipcap
}  # fmt: skip
CONTRASTIVE: dict[str, Any] = {
    **SHARED, "image_size": 40, "train_size": 24, "resize_mode": "shortest", "embed_dim": 8,
    "image_drop": 0.5, "image_lr": 1e-3, "freeze_image_epochs": 1, "freeze_blocks": 2, "batch_norm": "train",
    "text_width": 8, "text_layers": 2, "text_heads": 4, "context_length": 6, "vocab_size": 280,
    "token_dropout": 0.5,
    "captions_per_image": 1, "temperature": 0.2, "label_smoothing": 0.3, "crop_min": 0.3, "flip": 0.0,
    "jitter": 0.5,
}  # fmt: skip
CONTRASTIVE_ELSEWHERE = {
    "image_model", "image_init", "text_init", "drop_path",
    "texts", "text_pairs", "texts_weight",  # contrastive/test_other_captions.py
}  # fmt: skip


def exported_weights(task: Any, out: Path, **named: Any) -> dict[str, torch.Tensor]:
    """The weights that would be exported after training."""
    run = trainer(task, out, **named)
    run.run()
    return run.average.tensors if run.average is not None else weights(task)


@pytest.fixture(scope="module")
def plain_captioning(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return exported_weights(captioning_task(), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def plain_contrastive(
    tmp_path_factory: pytest.TempPathFactory, flickr_folder: Path
) -> dict[str, torch.Tensor]:
    return exported_weights(contrastive_task(flickr_folder), tmp_path_factory.mktemp("plain"))


def test_no_option_is_forgotten() -> None:
    assert {spec.name for spec in fields(CaptioningConfig)} == ELSEWHERE | CAPTIONING_ELSEWHERE | set(
        CAPTIONING
    )
    assert {spec.name for spec in fields(ContrastiveConfig)} == ELSEWHERE | CONTRASTIVE_ELSEWHERE | set(
        CONTRASTIVE
    )


@pytest.mark.parametrize("name", CAPTIONING)
def test_each_captioning_option_has_an_effect(
    name: str, tmp_path: Path, plain_captioning: dict[str, torch.Tensor]
) -> None:
    value = CAPTIONING[name]
    changes = value if isinstance(value, dict) else {name: value}
    if name in ("clip_length", "mapper_layers", "mapper_heads"):
        plain = exported_weights(captioning_task(**CAPTIONING["mapper"]), tmp_path / "plain")
    else:
        plain = plain_captioning
    assert not same(exported_weights(captioning_task(**changes), tmp_path / "changed"), plain)


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_each_contrastive_option_has_an_effect(
    name: str, tmp_path: Path, flickr_folder: Path, plain_contrastive: dict[str, torch.Tensor]
) -> None:
    task = contrastive_task(flickr_folder, **{name: CONTRASTIVE[name]})
    assert not same(exported_weights(task, tmp_path / "changed"), plain_contrastive)


def test_the_same_again_is_the_same(
    tmp_path: Path, flickr_folder: Path, plain_captioning: dict, plain_contrastive: dict
) -> None:
    assert same(exported_weights(captioning_task(workers=3), tmp_path / "a"), plain_captioning)
    assert same(
        exported_weights(contrastive_task(flickr_folder, workers=3), tmp_path / "b"), plain_contrastive
    )


def test_bf16_that_would_be_slower_is_float32(
    tmp_path: Path, plain_captioning: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two cores with AVX2 a step in imitated bf16 takes eleven times as long as one in float32."""
    monkeypatch.setattr(arithmetic, "quick_in_bf16", lambda: False)
    said: list[str] = []
    task = captioning_task(precision="bf16")
    assert same(exported_weights(task, tmp_path / "bf16", say=said.append), plain_captioning)
    assert "no arithmetic for it" in said[0] and "float32" in said[0]


def test_bf16_learns_nearly_the_same(
    tmp_path: Path, plain_captioning: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "quick_in_bf16", lambda: True)
    found = exported_weights(captioning_task(precision="bf16"), tmp_path / "bf16")
    name = "clipcap.mapper.model.0.weight"
    assert not torch.equal(found[name], plain_captioning[name])
    assert (
        torch.nn.functional.cosine_similarity(found[name].flatten(), plain_captioning[name].flatten(), dim=0)
        > 0.9
    )


@pytest.mark.parametrize("mapper", ["mlp", "transformer"])
def test_mapper_only_lowers_the_loss_and_leaves_gpt2_alone(tmp_path: Path, mapper: str) -> None:
    """GPT-2 from a folder that training made; then the mapper alone on it."""
    source = gpt2_folder(tmp_path)
    scratch = {
        "n_layer": 0,
        "n_head": 0,
        "n_embd": 0,
        "n_positions": 0,
        "gpt2": str(source),
        "tokenizer": "gpt2",
    }
    shape = {"clip_length": 2, "mapper_layers": 2, "mapper_heads": 2} if mapper == "transformer" else {}
    task = captioning_task(trained="mapper", mapper=mapper, epochs=5, dropout=0.3, **shape, **scratch)
    before = weights(task)
    task.module.eval()
    loss = task.validate()["val_loss"]
    trainer(task, tmp_path / "out").run()
    for name, tensor in weights(task).items():
        moved = not torch.equal(tensor, before[name])
        assert moved == (".mapper." in name), name
    task.module.eval()
    assert task.validate()["val_loss"] < 0.97 * loss


def gpt2_folder(tmp_path: Path) -> Path:
    """A little GPT-2 trained on the captions, as transformers and the tokenizer write them."""
    task = captioning_task(epochs=10, dropout=0.0)
    trainer(task, tmp_path / "source").run()
    folder = tmp_path / "gpt2"
    task.module.clipcap.gpt2.save_pretrained(folder)
    task.tokenizer.save(folder)
    return folder


def test_a_new_vocabulary_cuts_the_embeddings(tmp_path: Path) -> None:
    source = gpt2_folder(tmp_path)
    none = {"n_layer": 0, "n_head": 0, "n_embd": 0, "n_positions": 0}
    own = captioning_task(gpt2=str(source), tokenizer="gpt2", **none)
    new = captioning_task(gpt2=str(source), tokenizer="captions", vocab_size=270, **none)
    assert own.tokenizer.vocab_size > new.tokenizer.vocab_size == 270
    table = own.module.clipcap.gpt2.transformer.wte.weight
    assert torch.equal(new.module.clipcap.gpt2.transformer.wte.weight, table[:270])
    assert new.module.clipcap.gpt2.lm_head.weight is new.module.clipcap.gpt2.transformer.wte.weight
    with pytest.raises(UsageError, match="own sizes: leave them 0"):
        captioning_task(gpt2=str(source), tokenizer="gpt2")
    held = own.tokenizer.vocab_size
    with pytest.raises(UsageError, match=f"embeds {held}: set vocab_size={held}"):
        captioning_task(gpt2=str(source), tokenizer="captions", vocab_size=600, **none)


def test_captions_that_do_not_fit_the_positions_are_refused() -> None:
    with pytest.raises(UsageError, match="room for 10 tokens"):
        captioning_task(n_positions=13)


def test_the_image_trunk_stands_still_while_frozen(tmp_path: Path, flickr_folder: Path) -> None:
    def moved(**changes: Any) -> set[str]:
        task = contrastive_task(flickr_folder, **changes)
        before = weights(task)
        trainer(task, tmp_path / str(len(list(tmp_path.iterdir())))).run()
        return {name for name, tensor in weights(task).items() if not torch.equal(tensor, before[name])}

    always, frozen, later = moved(), moved(freeze_image_epochs=2), moved(freeze_image_epochs=1)
    trunk = {name for name in always if ".trunk." in name}
    assert trunk and not any(".trunk." in name for name in frozen)
    assert always - trunk == frozen and later == always  # thawed in the second epoch
    assert not any("running" in name for name in always)
    assert any("running_mean" in name for name in moved(batch_norm="train"))
    first = moved(freeze_blocks=2)
    assert first < always and not any(".blocks.1." in name or "conv_stem" in name for name in first)
    assert any(".blocks.2." in name for name in first)


def test_drop_path_reaches_the_trunk(flickr_folder: Path) -> None:
    trunk = contrastive_task(flickr_folder, drop_path=0.5).module.clip.visual.trunk
    assert max(getattr(module, "drop_prob", None) or 0 for module in trunk.modules()) > 0


def test_text_features_are_those_of_the_full_width(flickr_folder: Path) -> None:
    task = contrastive_task(flickr_folder)
    task.module.eval()
    texts = ["red and green .", "A white square", "two"]
    ids = ClipTokens(12, task.bpe)(texts)
    short = ids[:, : int((ids > 0).sum(1).max())]
    assert short.shape[1] < 12
    expected = torch.nn.functional.normalize(task.module.clip.encode_text(ids), dim=-1)
    torch.testing.assert_close(task.module.text_features(short), expected)


def test_contrastive_loss_by_hand() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 6)
    rows, columns = logits.log_softmax(1), logits.log_softmax(0)
    images = -sum((rows[i, 2 * i] + rows[i, 2 * i + 1]) / 2 for i in range(3)) / 3
    texts = -sum(columns[i, 2 * i] + columns[i, 2 * i + 1] for i in range(3)) / 6
    torch.testing.assert_close(contrastive_loss(logits), (images + texts) / 2)
    one = torch.randn(4, 4)
    target = torch.arange(4)
    pair = torch.nn.functional.cross_entropy
    torch.testing.assert_close(contrastive_loss(one), (pair(one, target) + pair(one.T, target)) / 2)


def test_recall_by_hand() -> None:
    similarity = torch.tensor(
        [[0.9, 0.1, 0.8], [0.2, 0.3, 0.7]]
    )  # captions 0 and 1 are of photo 0, 2 is of photo 1
    found = recalls(similarity, torch.tensor([0, 0, 1]))
    assert found["t2i_r1"] == pytest.approx(1 / 3) and found["t2i_r5"] == 1
    assert found["i2t_r1"] == 1  # photo 0 finds caption 0, photo 1 caption 2
    same = torch.full((12, 12), 0.25) + torch.rand(12, 12, generator=torch.Generator().manual_seed(0)) * 5e-7
    assert set(recalls(same, torch.arange(12)).values()) == {0.0}  # what ties found nothing


def test_the_exported_encoder_is_the_trained_one(tmp_path: Path, flickr_folder: Path) -> None:
    task = contrastive_task(flickr_folder)
    trainer(task, tmp_path / "out").run()
    encoder = load_encoder(EncoderConfig("last", ""), folder=tmp_path / "out" / "last")
    photos = sorted((flickr_folder / "Images").iterdir())[8:12]
    features = encoder.encode_image([Image.open(photo) for photo in photos])
    task.module.eval()
    with torch.no_grad():
        expected = task.module.image_features(task._val_pixels.plain(range(4)))
    torch.testing.assert_close(features, expected, rtol=0.05, atol=0.01)  # float16 on disk
    said = (tmp_path / "out" / "last" / "README.md").read_text()
    assert "8 images of its training split" in said and "| t2i_r10 |" in said


def test_broken_photos_are_named_and_left_out(tmp_path: Path) -> None:
    from tiny_tasks import CONTRASTIVE as TINY
    from tiny_tasks import write_flickr

    from clipcap_ext.train.contrastive.task import ContrastiveTask

    write_flickr(tmp_path)
    (tmp_path / "Images" / "002.jpg").write_text("not a photo")
    said: list[str] = []
    task = ContrastiveTask.build(ContrastiveConfig(**TINY), tmp_path, tmp_path, said.append)
    assert len(task.lengths) == 7 and np.ptp(task._pixels.array.reshape(7, -1), axis=1).min() > 0
    assert any("002.jpg" in line for line in said)


def test_a_captioner_says_what_it_is(tmp_path: Path) -> None:
    task = captioning_task(num_beams=2, save_dtype="fp16")
    trainer(task, tmp_path / "out", preset="a-preset", departures=("It is tiny.",)).run()
    said = read_config(tmp_path / "out" / "best")
    assert said.kind == "clipcap" and said.decoding == {"num_beams": 2} and said.name == "a-preset"
    assert said.training["departures"] == ["It is tiny."] and said.training["settings"]["n_embd"] == 32
    assert said.training["images"] == 8 and said.encoder == EncoderConfig("tiny-clip", "", True)
    card = (tmp_path / "out" / "best" / "README.md").read_text()
    assert "- It is tiny." in card and "| val_loss |" in card


def test_gpt2_comes_from_a_checkpoint_too(tmp_path: Path) -> None:
    source = captioning_task(epochs=1)
    trainer(source, tmp_path / "out").run()
    folder = tmp_path / "out" / "last"
    none = {"n_layer": 0, "n_head": 0, "n_embd": 0, "n_positions": 0}
    task = captioning_task(gpt2=str(folder), tokenizer="gpt2", trained="mapper", prefix_length=5, **none)
    assert task.tokenizer.encode("a red square .") == source.tokenizer.encode("a red square .")
    assert same(task.module.clipcap.gpt2.state_dict(), source.module.clipcap.gpt2.state_dict())


def test_a_length_penalty_without_beams_is_refused_before_training() -> None:
    with pytest.raises(UsageError, match="length_penalty does nothing without beams"):
        CaptioningConfig(length_penalty=1.2)
