"""SBG as a training task: its texts, its two losses, its keywords in one cached pass, its exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_bank, write_tiny_encoder
from tiny_tasks import same, trainer, weights

from clipcap_ext.corpus import FeatureTable
from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.engine.sbg.captioner import SbgCaptioner
from clipcap_ext.engine.sbg.checkpoint import load_sbg
from clipcap_ext.engine.sbg.label_files import read_bank, write_bank
from clipcap_ext.engine.sbg.prompt import format_prompt, training_text
from clipcap_ext.engine.sbg.selector import KeywordSelector
from clipcap_ext.errors import UsageError
from clipcap_ext.train.presets import find_preset
from clipcap_ext.train.sbg.config import SbgConfig
from clipcap_ext.train.sbg.keywords import corpus_keywords
from clipcap_ext.train.sbg.module import SbgModule, build_sbg, cut_blocks
from clipcap_ext.train.sbg.task import SbgTask

SMALL: dict[str, Any] = {
    "epochs": 2, "batch_size": 4, "lr": 1e-2, "encoder_weights": "", "gpt2": "scratch", "n_layer": 2,
    "n_head": 2,
    "n_embd": 32, "n_positions": 200, "dropout": 0.1, "tokenizer": "captions", "vocab_size": 300,
    "max_tokens": 30,
    "block": 0, "views": 2, "words_most": 3, "num_candidates": 2, "log_every": 1, "device": "cpu",
    "end_stop": True,
}  # fmt: skip
BLOCKS = {"block": 48, "views": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbg-train")
    write_tiny_encoder(folder / "tiny-clip")
    write_bank(tiny_bank(), folder / "labels.json")
    return folder


@pytest.fixture(scope="module")
def encoder(models: Path) -> ClipEncoder:
    return load_encoder(EncoderConfig("tiny-clip", "", True), folder=models / "tiny-clip")


def task_of(models: Path, data: Path, **changes: Any) -> SbgTask:
    config = SbgConfig(
        **{**SMALL, "encoder": str(models / "tiny-clip"), "labels": str(models / "labels.json"), **changes}
    )
    torch.manual_seed(0)
    return SbgTask.build(config, data, models / "cache", lambda line: None)


def textbook_loss(task: SbgTask, prompt: str, text: str) -> tuple[float, int]:
    """Summed loss of a text's tokens after its prompt, in one plain pass, and how many they are."""
    start = len(task.tokenizer.encode(prompt))
    ids = torch.tensor([task.tokenizer.encode(text)])
    logits = task.module.gpt2(ids).logits[0].log_softmax(-1)
    gained = [logits[place - 1, ids[0, place]] for place in range(max(start, 1), ids.shape[1])]
    return -float(torch.stack(gained).sum()), len(gained)


def test_caption_loss_is_the_textbook_one(models: Path, flickr_folder: Path) -> None:
    task = task_of(models, flickr_folder, max_tokens=67)
    task.module.eval()
    items = np.arange(5)
    batch = task.collate(items, epoch=1)
    assert batch["prompt_ids"].shape[0] == 5 and len(batch["input_ids"]) == 25
    loss = float(task.module(**batch).detach())
    total, tokens = 0.0, 0
    for row, item in enumerate(items):
        prompt = task.tokenizer.decode(batch["prompt_ids"][row][batch["prompt_mask"][row] == 1].tolist())
        assert prompt in [format_prompt(view) for view in task._train.keywords[item]]
        for caption in task._train.captions[item]:
            text = f"{prompt} {caption.lower()}<|endoftext|>"
            more, count = textbook_loss(task, prompt, text)
            total, tokens = total + more, tokens + count
    assert loss == pytest.approx(total, rel=1e-4)
    assert task.weight(items) == tokens


def test_gradients_flow_through_the_prompt_read_once(models: Path, flickr_folder: Path) -> None:
    task = task_of(models, flickr_folder)
    task.module.eval()
    batch = task.collate(np.arange(2), epoch=0)
    task.module(**batch).backward()
    got = {name: p.grad.clone() for name, p in task.module.named_parameters()}
    task.module.zero_grad()
    for i, row in enumerate(batch["rows"].tolist()):  # every caption with its own copy of the prompt
        mask = batch["prompt_mask"][row] == 1
        ids = torch.cat((batch["prompt_ids"][row][mask], batch["input_ids"][i, : batch["lengths"][i]]))[None]
        logits = task.module.gpt2(ids).logits[0, int(mask.sum()) - 1 : -1]
        torch.nn.functional.cross_entropy(logits, ids[0, int(mask.sum()) :], reduction="sum").backward()
    for name, parameter in task.module.named_parameters():
        assert torch.allclose(got[name], parameter.grad, atol=2e-3, rtol=1e-3), name


def test_blocks_hold_every_text_run_together(models: Path, flickr_folder: Path) -> None:
    task = task_of(models, flickr_folder, **BLOCKS)
    assert set(task.lengths) == {48} and task.weight(np.arange(3)) == 3 * 47
    text = task.tokenizer._backend.decode(task._blocks.flatten().tolist(), skip_special_tokens=False)
    whole = [
        training_text(views[0], caption)
        for views, captions in zip(task._train.keywords, task._train.captions, strict=True)
        for caption in captions
    ]
    said = text.split("<|endoftext|>")
    assert {f"{one}<|endoftext|>" for one in said[:-1]} <= set(whole)
    assert len(said) >= len(whole) - 1
    task.module.eval()
    loss = float(task.module(**task.collate(np.array([0, 2]), epoch=0)))
    wanted = sum(
        float(task.module.gpt2(block[None], labels=block[None]).loss) * 47
        for block in torch.tensor(task._blocks)[[0, 2]]
    )
    assert loss == pytest.approx(wanted, rel=1e-4)


def test_cut_blocks_shuffles_by_seed_and_drops_the_rest() -> None:
    rows = [[i] * (i % 5 + 1) for i in range(40)]
    blocks = cut_blocks(rows, 7, seed=1)
    assert blocks.shape == (sum(map(len, rows)) // 7, 7)
    assert np.array_equal(blocks, cut_blocks(rows, 7, seed=1))
    assert not np.array_equal(blocks, cut_blocks(rows, 7, seed=2))
    with pytest.raises(UsageError, match="one block"):
        cut_blocks([[1, 2]], 7, seed=0)


def test_keywords_of_a_corpus_are_those_of_each_view_and_are_kept(
    encoder: ClipEncoder, tmp_path: Path
) -> None:
    selector = KeywordSelector.build(encoder, tiny_bank())
    features = torch.randn(5, 2, encoder.clip_dim, generator=torch.Generator().manual_seed(1))
    table = FeatureTable(tuple(f"{i}.jpg" for i in range(5)), features)
    found = corpus_keywords(selector, table, "enc", tmp_path, lambda line: None)
    for image in range(5):
        for view in range(2):
            (keywords,) = selector.select(features[image, view][None])
            assert found[image][view] == [keyword.text for keyword in keywords]
    selector.select = None  # type: ignore[assignment, method-assign]
    assert corpus_keywords(selector, table, "enc", tmp_path, lambda line: None) == found
    with pytest.raises(TypeError):  # other features: chosen anew
        other = FeatureTable(table.image_ids, features + 1)
        corpus_keywords(selector, other, "enc", tmp_path, lambda line: None)


@pytest.mark.parametrize("changes", [{}, BLOCKS])
def test_training_lowers_the_loss_and_the_export_captions(
    models: Path, flickr_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    task = task_of(models, flickr_folder, epochs=6, **changes)
    task.module.eval()
    before = task.validate()
    run = trainer(task, tmp_path / "run")
    run.run()
    task.module.eval()
    assert task.validate()["val_loss"] < 0.7 * before["val_loss"]
    captioner = load_captioner(tmp_path / "run" / "best")
    assert isinstance(captioner, SbgCaptioner)
    assert read_bank(tmp_path / "run" / "best") == tiny_bank()
    assert captioner.selector.constants == task.config.constants
    assert captioner.default_options.num_candidates == 2 and captioner.default_options.top_k == 50
    image = open_image(flickr_folder / "Images" / "013.jpg")
    (caption,) = captioner.caption([image])
    assert caption.text.endswith(" .") and caption.keywords
    assert len([one for one in caption.keywords if one.facet == "word"]) <= 3


def test_interrupted_run_goes_on_bit_for_bit(models: Path, flickr_folder: Path, tmp_path: Path) -> None:
    from tiny_tasks import stop_after

    changes = {"keyword_dropout": 0.3, "seed": 5}
    whole = task_of(models, flickr_folder, **changes)
    trainer(whole, tmp_path / "whole").run()
    trainer(task_of(models, flickr_folder, **changes), tmp_path / "cut", stop=stop_after(2)).run()
    again = task_of(models, flickr_folder, **changes)
    trainer(again, tmp_path / "cut", resume=True).run()
    assert same(weights(whole), weights(again))


def test_dropout_of_keywords_and_views_vary_by_epoch(models: Path, flickr_folder: Path) -> None:
    task = task_of(models, flickr_folder, keyword_dropout=0.5)
    items = np.arange(8)
    prompts = [task.collate(items, epoch)["prompt_ids"] for epoch in (0, 0, 1)]
    assert torch.equal(prompts[0], prompts[1])
    assert prompts[0].shape != prompts[2].shape or not torch.equal(prompts[0], prompts[2])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"labels": ""}, "clipcap_ext.labels build"), ({"n_positions": 20}, "n_positions"),
        ({"encoder": "nowhere"}, "encoder"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(
    models: Path, flickr_folder: Path, changes: dict, part: str
) -> None:
    with pytest.raises(UsageError, match=part):
        task_of(models, flickr_folder, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layer": 0},
        {"tokenizer": "gpt2"},
        {"gpt2": "gpt2"},
        {"block": 100},
        {"block": 300, "views": 1},
        {"lr": "x"},
    ],
)
def test_options_that_contradict_each_other_are_refused(changes: dict) -> None:
    with pytest.raises(UsageError):
        SbgConfig(**{**SMALL, **changes})


def test_a_pretrained_gpt2_is_taken_as_it_is(models: Path, flickr_folder: Path, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    learnt = task_of(models, flickr_folder)
    sizes = {"n_positions": 128, "n_embd": 16, "n_layer": 1, "n_head": 2}
    source = GPT2LMHeadModel(GPT2Config(vocab_size=learnt.tokenizer.vocab_size, **sizes))
    source.save_pretrained(tmp_path / "gpt2")
    learnt.tokenizer.save(tmp_path / "gpt2")
    config = SbgConfig(gpt2=str(tmp_path / "gpt2"))
    gpt2, said, tokenizer = build_sbg(config, [])
    assert {key: said[key] for key in sizes} == sizes and tokenizer.encode(
        "a square"
    ) == learnt.tokenizer.encode("a square")
    assert torch.equal(gpt2.transformer.wte.weight, source.transformer.wte.weight)
    assert torch.equal(gpt2.lm_head.weight, gpt2.transformer.wte.weight)


def test_an_sbgs_own_gpt2_is_gone_on_from_and_what_it_saw_is_kept(models: Path, flickr_folder: Path) -> None:
    source = BUNDLED / "tiny-sbg-flickr8k"
    sizes = dict.fromkeys(("n_layer", "n_head", "n_embd", "n_positions"), 0)
    task = task_of(models, flickr_folder, gpt2=str(source), tokenizer="gpt2", **sizes)
    kept, _ = load_sbg(source, read_config(source))
    assert same(task.module.gpt2.state_dict(), kept.state_dict())
    assert task.tokenizer.encode("a dog runs") == load_tokenizer(source).encode("a dog runs")
    assert read_trained_on(source) < set(task._photos)


def test_label_smoothing_counts_in_training_only(models: Path, flickr_folder: Path) -> None:
    task = task_of(models, flickr_folder)
    batch = task.collate(np.arange(3), epoch=0)
    plain, smooth = SbgModule(task.module.gpt2, 0.0).eval(), SbgModule(task.module.gpt2, 0.2).eval()
    assert float(plain(**batch)) == float(smooth(**batch))
    smooth.training = True  # the loss alone; dropout stays off
    assert float(plain(**batch)) != float(smooth(**batch))


def test_presets_are_the_papers() -> None:
    for name in ("sbg-flickr8k", "sbg-flickr30k"):
        config = find_preset(name).config
        assert isinstance(config, SbgConfig)
        assert (config.block, config.batch_size, config.epochs, config.lr) == (480, 8, 10, 5e-5)
        assert (config.split, config.schedule, config.gpt2) == ("paper", "linear", "gpt2")
        assert config.constants.changes() == {}
        assert config.decoding == {
            "temperature": 1.0, "top_k": 50, "num_candidates": 5, "rank_by": "similarity", "seed": 0
        }  # fmt: skip
    tiny = find_preset("sbg-tiny").config
    assert isinstance(tiny, SbgConfig) and tiny.block == 0 and tiny.constants.concepts_boost == 2.5
    assert tiny.decoding == {
        "num_beams": 8, "num_candidates": 8, "rank_by": "both", "no_repeat_ngram_size": 3
    }  # fmt: skip
    alone = replace(tiny, num_beams=1, num_candidates=1, temperature=0.5)
    assert alone.decoding == {"temperature": 0.5, "top_k": 50, "no_repeat_ngram_size": 3, "seed": 0}
