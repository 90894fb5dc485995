"""A folder as transformers saves it under the same measure as ours: scored on photos, never on features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from miniature_sets import VALIDATION_TABLE, write_conceptual

from clipcap_ext.corpus.__main__ import main as make
from clipcap_ext.engine.image_to_text.loading import load_image_to_text
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.evaluate.__main__ import main

QUICK = ["--split", "val", "--protocol", "words", "--metrics", "BLEU,CIDEr-D", "--resamples", "20"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = write_conceptual(tmp_path_factory.mktemp("cc") / "cc")
    return ["--data", str(folder / VALIDATION_TABLE), "--images", str(folder / "validation")]


@pytest.mark.parametrize("size", ["1", "3"])
def test_its_captions_are_scored_as_any_others(
    photos: list[str], image_to_text_folder: Path, tmp_path: Path, size: str
) -> None:
    folder, out = image_to_text_folder / "my-git", tmp_path / "results.json"
    assert main([str(folder), *photos, *QUICK, "--batch-size", size, "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["model"]["name"] == "my-git" and results["model"]["encoder"] == ""
    assert results["signature"].startswith("cap|data:cc|") and set(results["results"]) >= {"CIDEr-D"}
    captions = [row["caption"] for row in results["images"].values()]
    paths = sorted(Path(photos[3]).iterdir())
    said = load_image_to_text(folder).caption([open_image(path) for path in paths])
    assert captions and set(captions) <= {caption.text for caption in said}


def test_a_leak_is_looked_for_in_it(
    photos: list[str], image_to_text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leak", str(image_to_text_folder / "my-git"), *photos, "--split", "val"]) == 0
    assert "NO SIGN" in capsys.readouterr().out


def test_features_are_not_what_it_reads(
    photos: list[str], image_to_text_folder: Path, tiny_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "features"
    words = ["features", *photos, "--encoder", str(tiny_folder / "tiny-clipcap"), "--out", str(out)]
    assert make(words) == 0
    assert main([str(image_to_text_folder / "my-git"), "--data", str(out), *QUICK]) == 2
    assert "my-git looks at pictures itself" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--precision", "fast"], ["--num-candidates", "2", "--diversity", "1"]])
def test_options_that_it_lacks_are_refused(
    photos: list[str], image_to_text_folder: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(image_to_text_folder / "my-git"), *photos, *QUICK, *flags]) == 2
    assert f"{flags[-2][2:]}={flags[-1]}" in capsys.readouterr().err.replace(".0 ", " ")


def test_its_config_is_not_written_into(
    photos: list[str], image_to_text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(image_to_text_folder / "my-git", tmp_path / "mine")
    before = (tmp_path / "mine" / "config.json").read_bytes()
    assert main([str(tmp_path / "mine"), *photos, *QUICK, "--record"]) == 2
    said = capsys.readouterr().err
    assert "--record: mine" in said and "captioned" not in said  # before anything is captioned
    assert (tmp_path / "mine" / "config.json").read_bytes() == before
