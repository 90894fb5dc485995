"""The command convert, the list of models that holds files, and a file captioned by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile
import published
import pytest
from published import published_mlp, save
from published_blip import save_blip, write_words
from tiny import write_tiny_encoder, write_tokenizer

from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.published import parts as published_parts

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "clipcap_ext" / "examples").glob("*.jpg"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights over features of length 32, beside a vocabulary and the encoder tiny-clip, in a models
    folder."""
    models = tmp_path / "models"
    models.mkdir()
    write_tokenizer(models)
    write_tiny_encoder(models / "tiny-clip")
    monkeypatch.setattr(published_parts, "_cached_folders", list)
    model = published_mlp(load_tokenizer(models).vocab_size, 32, 4)
    published.make_talk(model, load_tokenizer(models).vocab_size, 24)
    return save(model.state_dict(), models / "mine.pt")


def test_a_file_is_told_and_converted(command: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    told = command("convert", file, "--inspect")
    assert told.code == 0 and "ClipCap, mlp mapper 32 -> 4 x 128, GPT-2 of 2 layers" in told.out
    assert command("convert", file).code == 1  # no published encoder gives 32 numbers
    ran = command("convert", file, tmp_path / "new", "--encoder", "tiny-clip", "--no-normalize")
    assert (ran.code, ran.out.strip()) == (0, str(tmp_path / "new")) and "not scaled" in ran.err
    assert read_config(tmp_path / "new").encoder == EncoderConfig("tiny-clip", "", False)
    again = command("convert", file, tmp_path / "new", "--encoder", "tiny-clip")
    assert again.code == 1 and "is there already" in again.err


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("RN50x4", EncoderConfig("RN50x4", "openai", False)),
        ("ViT-B-16", EncoderConfig("ViT-B-16", "openai", True)),
        ("ViT-B-32/laion2b_s34b_b79k", EncoderConfig("ViT-B-32", "laion2b_s34b_b79k", True)),
        ("tiny-clip", EncoderConfig("tiny-clip", "", True)),
    ],
)
def test_encoders_are_named_as_elsewhere(
    command: Callable[..., Any], file: Path, name: str, encoder: EncoderConfig, tmp_path: Path
) -> None:
    assert command("convert", file, tmp_path / "new", "--encoder", name).code == 0
    assert read_config(tmp_path / "new").encoder == encoder


def test_each_hostile_file_has_one_line_in_the_list(
    command: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    said = hostile.corpus(file.parent, tmp_path / "canary")
    ran = command("models", "--models-dir", file.parent)
    assert ran.code == 0
    for name, text in said.items():
        lines = [line for line in ran.out.splitlines() if f"/{name} " in line or f"/{name}:" in line]
        assert len(lines) == 1 and "cannot be used" in lines[0], (name, lines)
        assert text in lines[0].replace(name, "") or name in (
            "link_to_nothing.pt",
            "pipe.pt",
        )  # the list says "is not there" of both
    assert not (tmp_path / "canary").exists()


def test_a_hostile_file_is_no_traceback(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    hostile.corpus(tmp_path / "models", tmp_path / "canary")
    for name in ("runs_code.pt", "zip_bomb.pt", "sparse.pt"):
        for words in (("--inspect",), (tmp_path / "out",)):
            ran = command("convert", tmp_path / "models" / name, *words)
            assert ran.code == 1 and ran.err.startswith("error: ") and ran.err.count("\n") == 1
    assert not (tmp_path / "canary").exists() and not (tmp_path / "out").exists()


def test_a_file_captions_by_its_name_and_becomes_a_folder(
    command: Callable[..., Any], file: Path, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    monkeypatch.setitem(published_parts.ENCODERS, 32, EncoderConfig("tiny-clip", "", True))
    models = ("--models-dir", file.parent)
    listed = command("models", *models).out
    assert "mine" in listed and "a file" in listed
    first = command("caption", photos / "1.jpg", "--model", file, *models)
    assert first.code == 0 and file.is_file() and (file.parent / "mine" / "config.json").is_file(), first.err
    again = command("caption", photos / "1.jpg", "--model", "mine", *models)
    assert again.code == 0 and again.out == first.out
    assert [line.split()[0] for line in command("models", *models).out.splitlines()].count("mine") == 1


def test_a_blip_is_told_converted_and_captions(command: Callable[..., Any], tmp_path: Path) -> None:
    write_words(tmp_path / "bert")
    file = save_blip(tmp_path / "model_base_caption_capfilt_large.pth")
    assert "BLIP, 2 layers" in command("convert", file, "--inspect").out
    ran = command("convert", file, tmp_path / "blip", "--tokenizer", tmp_path / "bert")
    assert (ran.code, ran.out.strip()) == (0, str(tmp_path / "blip"))
    caption = command("caption", EXAMPLES[0], "--model", tmp_path / "blip", "--max-new-tokens", "8")
    assert caption.code == 0 and caption.out.strip()
    lacking = command("caption", EXAMPLES[0], "--model", file)
    assert lacking.code == 1 and "BERT's vocabulary" in lacking.err
    (tmp_path / "vocab.txt").write_bytes((tmp_path / "bert" / "vocab.txt").read_bytes())
    direct = command("caption", EXAMPLES[0], "--model", file, "--max-new-tokens", "8")
    assert direct.out == caption.out
