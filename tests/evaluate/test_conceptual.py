"""Conceptual Captions' validation table as Google distributes it, small, with its pictures and without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniature_sets import write_conceptual
from shards import caption, photo, url

from clipcap_ext.corpus import read_corpus, split_corpus
from clipcap_ext.errors import CorpusError
from clipcap_ext.evaluate.__main__ import main

QUICK = ["--split", "val", "--protocol", "words", "--metrics", "BLEU,CIDEr-D", "--resamples", "20"]
ROWS = 6


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Validation_GCC-1.1.0-Validation.tsv: no header, a caption and an address a row; one was not fetched."""
    path = tmp_path / "cc" / "Validation_GCC-1.1.0-Validation.tsv"
    path.parent.mkdir()
    path.write_text("".join(f"{caption(row)}\t{url(row)}\n" for row in range(ROWS)), encoding="utf-8")
    (tmp_path / "fetched").mkdir()
    for row in range(ROWS - 1):
        (tmp_path / "fetched" / f"{row:08d}.png").write_bytes(photo(row))
    return path


def test_the_table_and_its_pictures(table: Path, tmp_path: Path) -> None:
    for place in (table, table.parent):
        corpus = read_corpus(place, images=tmp_path / "fetched")
        assert [example.captions for example in corpus.examples] == [
            (caption(row),) for row in range(ROWS - 1)
        ]
        assert [example.number for example in corpus.examples] == list(range(ROWS - 1))
        assert {example.split for example in corpus.examples} == {"val"}
        assert corpus.examples[2].path.name == corpus.examples[2].image_id == "00000002.png"
        assert [problem.where for problem in corpus.problems] == [f"{table.name} row {ROWS - 1}"]
    with pytest.raises(CorpusError, match="no image with a caption"):
        read_corpus(table)
    bare = read_corpus(table, pictures=False)
    assert [(example.image_id, example.number) for example in bare.examples] == [
        (str(n), n) for n in range(ROWS)
    ]


def test_a_model_and_its_captions_are_scored(table: Path, tiny_folder: Path, tmp_path: Path) -> None:
    words = ["--data", str(table), *QUICK]
    out = tmp_path / "r.json"
    model = str(tiny_folder / "tiny-clipcap")
    assert main([model, *words, "--images", str(tmp_path / "fetched"), "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert "|data:cc|split:karpathy-val|n:5|" in results["signature"] and len(results["problems"]) == 1
    made = [{"image_id": row, "caption": results["images"][f"{row:08d}.png"]["caption"]} for row in range(5)]
    (tmp_path / "made.json").write_text(json.dumps(made))
    for images in (["--images", str(tmp_path / "fetched")], []):
        again = tmp_path / "again.json"
        hypotheses = ["--hypotheses", str(tmp_path / "made.json"), *images]
        assert main([*hypotheses, *words, "--out", str(again)]) == 0
        assert json.loads(again.read_text())["results"] == results["results"]


def test_both_tables_with_a_folder_of_pictures_each(tmp_path: Path) -> None:
    """Rows of the same number are other pictures; the splits are as the tables' names say."""
    cc = write_conceptual(tmp_path / "cc")
    corpus = read_corpus(cc)
    splits = split_corpus(corpus)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [9, 4, 0]
    for part, folder in ((splits.train, "train"), (splits.val, "validation")):
        assert [example.path for example in part.examples] == [
            cc / folder / f"{row:08d}.jpg" for row in range(len(part))
        ]
        assert [example.number for example in part.examples] == list(range(len(part)))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in ("train", "validation"):
        (cc / folder).rename(moved / folder)
    assert read_corpus(cc, images=moved).image_ids == corpus.image_ids


def test_pictures_that_may_be_of_either_table_are_refused(tmp_path: Path) -> None:
    cc = write_conceptual(tmp_path / "cc")
    (cc / "train").rename(cc / "images")
    (cc / "validation").rename(tmp_path / "gone")
    with pytest.raises(CorpusError, match=r"called by their rows.*train/ and validation/"):
        read_corpus(cc)


def test_other_tables_are_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "notes.tsv").write_text("a dog\tnot an address\n")
    with pytest.raises(CorpusError, match="No data set recognised"):
        read_corpus(tmp_path)


def test_a_feature_folder_is_told_from_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "features.json").write_text("{}")
    with pytest.raises(CorpusError, match="holds features, which only ClipCap presets train on"):
        read_corpus(tmp_path)
