"""A checkpoint of TheoCoombes/ClipCap's training, as Lightning writes it, with the file beside it that says
what no shape does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from published import PublishedClipCap, make_talk, published_transformer, save
from tiny import WORDS, write_tokenizer

from clipcap_ext.__main__ import main
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
from clipcap_ext.engine.published.conversion import convert_file, ensure_converted
from clipcap_ext.engine.published.inspection import inspect_file
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.engine.published.run_config import open_clip_name, read_run_config
from clipcap_ext.errors import CheckpointError

STEPS = 8
HEADS = 4
SAID = """encoder_config:
  encoder_embedding_size: 768
  encoder_model_name: clip
  encoder_model_variant: ViT-L/14
  normalize_embeddings: true
  use_windowed_embeddings: false
  window_overlap_percentage: 0.0
  window_size: 16
language_model: gpt2
prefix_length: 10
projection_length: 10
train_language_model: true
training_config:
  optimizer_lr: 2.0e-05
transformer_attention_heads: 4
transformer_layers: 2
use_positional_embeddings: true
"""


def lightning(model: PublishedClipCap, tuned: bool = True) -> dict[str, object]:
    """What Lightning saves of it: the weights under that program's names among a training's state."""
    names = {"clip_project.": "transformer_mapper.", "gpt.": "language_model."}
    state = {
        f"{names[part]}{name.removeprefix(part)}": tensor
        for name, tensor in model.state_dict().items()
        for part in names
        if name.startswith(part) and (tuned or part == "clip_project.")
    }
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 2e-5, "params": [0]}]}
    return {
        "epoch": 3, "global_step": 12, "pytorch-lightning_version": "1.9.5", "state_dict": state,
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": None, "dirpath": "/x"}},
        "optimizer_states": [optimizer], "lr_schedulers": [{"_last_lr": [2e-5]}], "hparams_name": "kwargs",
        "hyper_parameters": {"transformer_attention_heads": HEADS, "encoder_config": {"window_size": 16}},
    }  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> PublishedClipCap:
    """A talking one of 4 heads, its vocabulary in tmp_path."""
    write_tokenizer(tmp_path)
    vocab_size = load_tokenizer(tmp_path).vocab_size
    made = published_transformer(vocab_size, 768, length=10, layers=2, heads=HEADS)
    make_talk(made, vocab_size, len(WORDS.split()) + 2)
    return made


def features() -> torch.Tensor:
    return torch.randn(4, 768, generator=torch.Generator().manual_seed(3))


def said(folder: Path) -> list[str]:
    config = read_config(folder)
    options = config.decoding_options().with_changes(max_new_tokens=STEPS)
    captioner = ClipCapCaptioner(
        "converted", None, load_clipcap(folder, config), load_tokenizer(folder), options
    )
    return [caption.text for caption in captioner.caption_features(features(), list("abcd"))]


def said_by_their_loop(model: PublishedClipCap, vocabulary: Path) -> list[str]:
    tokenizer = load_tokenizer(vocabulary)
    return [clean_caption(tokenizer.decode(model.speak(row, STEPS))) for row in features()]


def test_it_says_the_same_and_knows_its_heads_and_encoder(tmp_path: Path, model: PublishedClipCap) -> None:
    file = save(lightning(model), tmp_path / "demo_final.ckpt")
    (tmp_path / "demo_config.yaml").write_text(SAID)
    folder = ensure_converted(file)  # as one dropped into the models folder is
    assert said(folder) == said_by_their_loop(model, tmp_path)
    config = read_config(folder)
    assert config.model["mapper_heads"] == HEADS
    assert config.encoder == EncoderConfig("ViT-L-14", "openai", normalize=True)
    eight = published_transformer(load_tokenizer(tmp_path).vocab_size, 768, length=10, layers=2, heads=8)
    eight.load_state_dict(model.state_dict())
    assert said_by_their_loop(eight, tmp_path) != said(folder), (
        "heads change nothing here, so this shows nothing"
    )


def test_by_the_command_with_another_encoder(
    tmp_path: Path, model: PublishedClipCap, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save(lightning(model), tmp_path / "last.ckpt")
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(SAID)
    out = tmp_path / "mine"
    words = ["--run-config", str(elsewhere), "--encoder", "ViT-B-32/openai", "--no-normalize"]
    assert main(["convert", str(file), str(out), *words]) == 0
    assert "Features of ViT-B-32 openai, not scaled." in capsys.readouterr().err
    assert read_config(out).model["mapper_heads"] == HEADS


def test_without_the_file_nothing_is_guessed(tmp_path: Path, model: PublishedClipCap) -> None:
    file = save(lightning(model), tmp_path / "demo_final.ckpt")
    (tmp_path / "other_config.yaml").write_text(SAID)
    assert inspect_file(file).mapper == "transformer"
    with pytest.raises(
        CheckpointError, match=r"how many attention heads it has. Put the NAME_config.yaml .*--run-config"
    ):
        convert_file(file, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_longest_name_is_the_file_s(tmp_path: Path, model: PublishedClipCap) -> None:
    file = save(lightning(model), tmp_path / "demo_two_epoch_3.ckpt")
    (tmp_path / "demo_config.yaml").write_text(SAID.replace("heads: 4", "heads: 2"))
    (tmp_path / "demo_two_config.yaml").write_text(SAID)
    assert read_config(ensure_converted(file)).model["mapper_heads"] == HEADS


WRONG = [
    (("heads: 4", "heads: many"), "transformer_attention_heads: a whole number was expected, not 'many'"),
    (("heads: 4", "heads: 0"), "0 is no number of heads"),
    (
        ("heads: 4", "heads: 5"),
        "said to have a mapper of 5 attention heads, and it holds: ClipCap, transformer",
    ),
    (("name: clip", "name: clap"), "trained on 'clap', and only CLIP's features of pictures"),
    (("embeddings: false", "embeddings: true"), "features of windows of each picture"),
    (("encoder_config:", "encoder:"), "encoder_config: a table of keys was expected"),
    (("clip\n", "clip\n :\n- {"), "cannot be read as YAML"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[words[:30] for _, words in WRONG])
def test_what_the_file_says_wrongly_or_not_is_named(
    tmp_path: Path, model: PublishedClipCap, change: tuple[str, str], words: str
) -> None:
    file = save(lightning(model), tmp_path / "demo_final.ckpt")
    (tmp_path / "demo_config.yaml").write_text(SAID.replace(*change))
    with pytest.raises(CheckpointError, match=words):
        convert_file(file, tmp_path / "new", PublishedParts())
    assert not (tmp_path / "new").exists()


def test_a_yaml_file_builds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x_config.yaml"
    path.write_text("!!python/object/apply:os.system ['touch here']")
    with pytest.raises(CheckpointError, match="cannot be read as YAML"):
        read_run_config(path)


def test_openai_s_names_in_open_clip_s_words() -> None:
    names = {
        "ViT-L/14": "ViT-L-14",
        "ViT-B_32": "ViT-B-32",
        "RN50x4": "RN50x4",
        "ViT-L/14@336px": "ViT-L-14-336",
    }
    assert {name: open_clip_name(name) for name in names} == names
