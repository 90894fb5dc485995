"""The door: a whole run from the command line, its folder, and an exit code and a sentence for each wrong
word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tiny_tasks import CAPTIONING, words

from clipcap_ext.corpus import read_corpus, split_corpus
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.train.__main__ import main


def test_a_whole_run(
    tmp_path: Path, flickr_folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(flickr_folder, out, tiny_folder / "tiny-clip")) == 0
    printed, told = capsys.readouterr()
    assert (
        printed.strip() == str(out / "best") and '"epochs": 1' in told and "8 training, 4 validation" in told
    )
    assert {path.name for path in out.iterdir()} >= {
        "best", "last", "tiny-clip", "features", "config.json", "state.pt", "log.csv", "log.jsonl",
        "loss.png",
    }  # fmt: skip
    captioner = load_captioner(out / "best")  # finds its encoder beside it
    caption = captioner.caption([Image.open(flickr_folder / "Images" / "013.jpg")])[0]
    assert caption.text.endswith(" .") and captioner.default_options.num_beams == 3
    photos = [image_fingerprint(flickr_folder / "Images" / f"{i:03}.jpg") for i in range(14)]
    assert read_trained_on(out / "best") == set(photos[:8])
    said = json.loads((out / "best" / "config.json").read_text())["training"]
    assert "epochs is 1, not" in " ".join(said["departures"]) and said["preset"] == "tiny-flickr8k"

    assert main(words(flickr_folder, out, tiny_folder / "tiny-clip")) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(words(flickr_folder, out, tiny_folder / "tiny-clip", "--resume", "--set", "lr=9")) == 2
    assert "has other settings (lr=0.01, not 9.0)" in capsys.readouterr().err
    assert main(["flickr8k-original", "--out", str(out), "--resume"]) == 2
    assert "is of the preset tiny-flickr8k, not flickr8k-original" in capsys.readouterr().err
    weights = (out / "last" / "model.safetensors").read_bytes()
    assert main(words(flickr_folder, out, tiny_folder / "tiny-clip", "--resume")) == 0
    assert main(["--out", str(out), "--resume"]) == 0  # finished: nothing to do
    assert (out / "last" / "model.safetensors").read_bytes() == weights
    assert main(["--out", str(out), "--resume", "--set", "epochs=2"]) == 0
    assert (out / "last" / "model.safetensors").read_bytes() != weights
    assert json.loads((out / "config.json").read_text())["epochs"] == 2
    epochs = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in epochs if "val_loss" in row] == [0, 1]


def test_nothing_is_left_behind_by_a_wrong_word(
    tmp_path: Path, flickr_folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, encoder = tmp_path / "out", tiny_folder / "tiny-clip"
    unmarked = tmp_path / "unmarked"
    shutil.copytree(flickr_folder, unmarked)
    for path in unmarked.glob("Flickr_8k.*"):
        path.unlink()
    cases = [
        ([], 2, "Give a preset"),
        (["tiny-flickr8q", "--data", str(flickr_folder), "--out", str(out)], 2, "Did you mean tiny-flickr8k"),
        (words(tmp_path / "none", out, encoder), 2, "no such file or folder"),
        (words(tmp_path, out, encoder), 1, "No data set recognised"),
        (words(unmarked, out, encoder), 1, "no karpathy split"),
        (words(flickr_folder, out, tmp_path), 2, "no encoder folder there"),
        (words(flickr_folder, out, encoder, "--resume"), 2, "there is no run in"),
        (["--out", str(out), "--resume"], 2, "There is no run in"),
        (words(flickr_folder, out, encoder, "--set", "epoch=1"), 2, "did you mean epochs"),
        (words(flickr_folder, out, encoder, "--set", "gpt2=gpt2"), 2, "leave them 0"),
        (words(flickr_folder, out, encoder, "--set", "split=paper"), 1, "paper split sets the last 1000"),
        (words(flickr_folder, out, encoder, "--set", "holdout=8"), 1, "only 8 training images"),
    ]
    for arguments, code, message in cases:
        assert main(arguments) == code
        assert message in capsys.readouterr().err
        assert not out.exists()


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert "flickr30k-gradient" in capsys.readouterr().out
    assert main(["flickr8k-original", "--list"]) == 0
    told = capsys.readouterr().out
    assert "departs: AdamW is PyTorch's" in told and "lr=2e-05" in told and "[mlp, transformer]" in told


def test_ones_own_photos_are_split_at_random_and_a_model_is_gone_on_from(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Captions beside photos, no marks, no lists: train, then fine-tune the model, then score it."""
    from clipcap_ext.evaluate.__main__ import main as evaluate

    own = tmp_path / "own"
    own.mkdir()
    for number in range(40):
        Image.new("RGB", (40, 40), (6 * number, 90, 90)).save(own / f"{number}.png")
        (own / f"{number}.txt").write_text(f"A square number {number} .")
    share = ["--set", "split=random", "--set", "holdout=0.2"]
    first, second = tmp_path / "models" / "first", tmp_path / "second"
    assert main(words(own, first, tiny_folder / "tiny-clip", *share)) == 0
    told = capsys.readouterr().err
    parts = split_corpus(read_corpus(own), "random", share=0.2)
    assert f"{len(parts.train)} training, {len(parts.val)} validation and {len(parts.test)} test" in told
    trained = read_trained_on(first / "best")
    assert trained == {image_fingerprint(example.path) for example in parts.train.examples}
    start = ["--set", f"start={first / 'best'}", "--set", "lr=0.001"]
    assert main(words(own, second, tiny_folder / "tiny-clip", *share, *start)) == 0
    said = json.loads((second / "best" / "config.json").read_text())["training"]["settings"]
    assert said["start"] == "best" and said["holdout"] == 0.2
    alone = ["flickr8k-gradient", "--data", str(own), *share, "--set", f"start={first / 'best'}"]
    assert main([*alone, "--out", str(tmp_path / "third"), "--set", "epochs=1"]) == 0
    third = read_config(tmp_path / "third" / "best")
    assert third.model["prefix_length"] == CAPTIONING["prefix_length"] and third.encoder.pretrained == ""
    assert dict(third.model["gpt2"])["n_layer"] == CAPTIONING["n_layer"]
    assert main(["--resume", "--out", str(tmp_path / "third"), "--set", "epochs=2"]) == 0
    capsys.readouterr()
    assert main([*alone, "--out", str(tmp_path / "no"), "--set", "prefix_length=9"]) == 2
    assert "has prefix_length=3, not 9. Leave such options out" in capsys.readouterr().err
    quick = ["--protocol", "words", "--metrics", "BLEU", "--resamples", "5", "--data", str(own)]
    assert evaluate([str(second / "best"), *quick, "--split", "random"]) == 0
    assert "|split:random-test|" in capsys.readouterr().out
    assert evaluate([str(second / "best"), *quick, "--split", "random-train"]) == 1
    assert main(words(own, tmp_path / "no", tiny_folder / "tiny-clip", "--set", "split=random")) == 2
    assert "needs a share below 0.5 set aside, such as holdout=0.1" in capsys.readouterr().err
    assert main(words(own, tmp_path / "no", tiny_folder / "tiny-clip", "--set", "start=no-model")) == 2
    assert "No model named" in capsys.readouterr().err
