"""Scores from a feature folder: the figures that the photos give, and what cannot be had from features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniature_sets import VALIDATION_TABLE, write_conceptual
from shards import write_shards

from clipcap_ext.corpus.__main__ import main as make
from clipcap_ext.evaluate.__main__ import main

QUICK = ["--protocol", "words", "--metrics", "BLEU,CIDEr-D", "--resamples", "20"]


@pytest.fixture(scope="module")
def conceptual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_conceptual(tmp_path_factory.mktemp("cc") / "cc")


@pytest.fixture(scope="module")
def features(conceptual: Path, tiny_folder: Path) -> Path:
    """The validation table's pictures through tiny-clipcap's encoder, as a user makes them."""
    out = conceptual.parent / "features"
    table = ["--data", str(conceptual / VALIDATION_TABLE), "--images", str(conceptual / "validation")]
    assert make(["features", *table, "--encoder", str(tiny_folder / "tiny-clipcap"), "--out", str(out)]) == 0
    return out


def results(out: Path) -> dict:
    return json.loads(out.read_text())


@pytest.mark.parametrize("split", ["val", "all"])
def test_the_figures_are_those_of_the_photos(
    split: str, conceptual: Path, features: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    photos = ["--data", str(conceptual / VALIDATION_TABLE), "--images", str(conceptual / "validation")]
    made = []
    for name, data in (("photos", photos), ("features", ["--data", str(features)])):
        words = [str(tiny_folder / "tiny-clipcap"), *data, "--split", split, *QUICK, "--batch-size", "3"]
        assert main([*words, "--num-beams", "2", "--out", str(tmp_path / name)]) == 0
        made.append(results(tmp_path / name))
    first, second = made
    assert second["signature"] == first["signature"].replace("data:cc", "data:features")
    assert second["results"] == first["results"]
    assert list(second["images"]) == ["0", "1", "2", "3"]
    assert list(second["images"].values()) == list(first["images"].values())


def test_every_kind_of_captioner_captions_from_them(tiny_sbg: Path, tmp_path: Path) -> None:
    tars = [str(path) for path in write_shards(tmp_path / "tars", shards=2, each=3)]
    out = tmp_path / "features"
    assert make(["features", "--data", *tars, "--encoder", str(tiny_sbg), "--out", str(out)]) == 0
    made = []
    for size in ("1", "4"):  # one batch reaches over the border of the shards
        words = [str(tiny_sbg), "--data", str(out), "--split", "all", *QUICK, "--batch-size", size]
        assert main([*words, "--out", str(tmp_path / size)]) == 0
        made.append(results(tmp_path / size)["images"])
    assert made[0] == made[1] and len(made[0]) == 6


def test_captions_from_a_file_need_no_encoder(features: Path, tmp_path: Path) -> None:
    said = tmp_path / "said.json"
    said.write_text(json.dumps([{"image_id": row, "caption": "red and green"} for row in range(4)]))
    words = ["--hypotheses", str(said), "--data", str(features), "--split", "val", *QUICK]
    assert main([*words, "--out", str(tmp_path / "r.json")]) == 0
    assert results(tmp_path / "r.json")["data"]["images"] == 4


def test_pictures_that_were_trained_on_are_known(
    conceptual: Path, features: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint

    for name in ("tiny-clip", "tiny-clipcap"):
        shutil.copytree(tiny_folder / name, tmp_path / name)
    mark = image_fingerprint(conceptual / "validation" / "00000002.jpg")
    (tmp_path / "tiny-clipcap" / "trained_on.json").write_text(json.dumps([mark]))
    assert main([str(tmp_path / "tiny-clipcap"), "--data", str(features), "--split", "val", *QUICK]) == 1
    assert "was trained on 1 of these 4 images (2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--split", "val", "--clip-score", "tiny-clip"], "--clip-score looks at photos"),
        (["--split", "val", "--images", "."], "--layout and --images do nothing"),
        ([], "marks no image as test: choose --split val or all"),
    ],
)
def test_what_features_cannot_give(
    more: list[str], said: str, features: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word if word != "tiny-clip" else str(tiny_folder / word) for word in more]
    assert main([str(tiny_folder / "tiny-clipcap"), "--data", str(features), *QUICK, *words]) in (1, 2)
    assert said in capsys.readouterr().err


def test_recall_needs_photos(features: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tiny_folder / "tiny-clip"), "--data", str(features), "--retrieval", "--split", "all"]
    assert main(words) == 2
    assert "--retrieval looks at photos" in capsys.readouterr().err


def test_unmarked_shards_have_no_test_part(tmp_path: Path, tiny_folder: Path, capsys) -> None:
    tars = [str(path) for path in write_shards(tmp_path / "tars", shards=1, each=3)]
    out, model = tmp_path / "features", str(tiny_folder / "tiny-clipcap")
    assert make(["features", "--data", *tars, "--encoder", model, "--out", str(out)]) == 0
    assert main([model, "--data", str(out), *QUICK]) == 1
    assert "choose --split all, or random" in capsys.readouterr().err


def test_features_of_another_encoder_are_refused(
    conceptual: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = str(tiny_folder / "tiny-clipcap"), tmp_path / "other"
    table = ["--data", str(conceptual / VALIDATION_TABLE), "--images", str(conceptual / "validation")]
    assert make(["features", *table, "--encoder", model, "--no-normalize", "--out", str(out)]) == 0
    assert main([model, "--data", str(out), "--split", "val", *QUICK]) == 2
    said = capsys.readouterr().err
    assert "holds features of the encoder tiny-clip (" in said and "normalize false" in said
    assert "make them again with this model as --encoder" in said
