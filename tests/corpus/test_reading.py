"""Every layout says the same of the same images, is recognised by itself, and names what is broken in it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import tracemalloc
from pathlib import Path

import pytest
from corpus.writing import CAPTIONS, SPLITS, WRITERS, kaggle, metadata_jsonl, quoted, sidecar, write_images
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.corpus import LAYOUTS, read_corpus
from clipcap_ext.errors import CorpusError, UsageError


@pytest.mark.parametrize("form", WRITERS)
def test_all_layouts_agree(form: str, tmp_path: Path) -> None:
    layout, write = WRITERS[form]
    write(tmp_path)
    for asked in ("auto", layout):
        corpus = read_corpus(tmp_path, asked)
        assert {example.image_id: example.captions for example in corpus.examples} == CAPTIONS
        assert (
            corpus.image_ids == list(CAPTIONS) or form == "coco"
        )  # COCO's files are read by name: test before train
        assert all(example.path.is_file() for example in corpus.examples)
        assert corpus.problems == ()
        if form != "sidecar":
            assert {example.image_id: example.split for example in corpus.examples} == SPLITS


def test_every_layout_is_tried() -> None:
    elsewhere = {"conceptual"}  # a caption a picture, called by its row: evaluate/test_conceptual.py
    assert {layout for layout, _ in WRITERS.values()} == set(LAYOUTS) - elsewhere


@pytest.mark.parametrize("form", ["kaggle", "flickr-token", "karpathy", "metadata-jsonl"])
def test_an_annotation_file_is_a_data_set_too(form: str, tmp_path: Path) -> None:
    WRITERS[form][1](tmp_path)
    others = (".jpg", "Images.txt")
    (file,) = (path for path in tmp_path.iterdir() if path.is_file() and not path.name.endswith(others))
    assert {one.image_id: one.captions for one in read_corpus(file).examples} == CAPTIONS


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    text = "image,split,caption\n" + "".join(f"{n},{SPLITS[n]},{quoted(c[0])}\n" for n, c in CAPTIONS.items())
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "captions.csv.gz").write_bytes(gzip.compress(text.encode()))
    corpus = read_corpus(tmp_path / "words", images=tmp_path / "photos")
    assert {one.image_id: one.split for one in corpus.examples} == SPLITS


def test_split_folders_of_an_imagefolder(tmp_path: Path) -> None:
    for folder, name in (("train", "a.jpg"), ("validation", "b.jpg"), ("test", "c.jpg")):
        write_images(tmp_path / folder)
        (tmp_path / folder / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "x"}) + "\n")
    found = {one.image_id: one.split for one in read_corpus(tmp_path).examples}
    assert found == {"train/a.jpg": "train", "validation/b.jpg": "val", "test/c.jpg": "test"}


def test_same_names_in_two_sidecar_folders_stay_apart(tmp_path: Path) -> None:
    sidecar(tmp_path / "one")
    sidecar(tmp_path / "two")
    assert len(read_corpus(tmp_path)) == 6


def broken_table(root: Path) -> None:
    kaggle(root)
    (root / "Images" / "b.jpg").unlink()
    rows = b'c.jpg\n,no image\na.jpg,  \na.jpg,bad \xff byte\na.jpg,"unbalanced , quote\nghost.jpg,nobody\n'
    (root / "captions.txt").write_bytes((root / "captions.txt").read_bytes() + rows)


def test_every_broken_row_and_image_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    broken_table(tmp_path)
    corpus = read_corpus(tmp_path)
    assert corpus.image_ids == ["a.jpg", "c.jpg"]
    assert corpus.examples[0].captions == (*CAPTIONS["a.jpg"], '"unbalanced , quote')
    said = "\n".join(map(str, corpus.problems)).splitlines()
    assert [line.split(":")[0] for line in said] == ["captions.txt"] * 4 + ["b.jpg", "ghost.jpg"]
    reasons = ("columns", "names no image", "empty", "UTF-8", "no such image", "no such image")
    for words, line in zip(reasons, said, strict=True):
        assert words in line
    assert said[0].startswith("captions.txt:8")


A, X = {"id": 1, "file_name": "a.jpg"}, {"image_id": 1, "caption": "x"}


@pytest.mark.parametrize(
    ("layout", "name", "content"),
    [
        (
            "karpathy",
            "dataset_x.json",
            {"images": [{"filename": "a.jpg", "sentences": [{"raw": "x"}]}, {"imgid": 3}]},
        ),
        ("coco", "captions_x.json", {"images": [A, {}], "annotations": [X]}),
        ("coco", "captions_x.json", {"images": [A], "annotations": [X, {"image_id": 9, "caption": "y"}]}),
    ],
)
def test_broken_json_rows(layout: str, name: str, content: dict, tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / name).write_text(json.dumps(content))
    corpus = read_corpus(tmp_path, layout)
    assert [one.captions for one in corpus.examples] == [("x",)]
    assert len(corpus.problems) == 1 and corpus.problems[0].where.startswith(name)


def test_broken_jsonl_row_and_missing_sidecar(tmp_path: Path) -> None:
    metadata_jsonl(tmp_path / "hf")
    with (tmp_path / "hf" / "metadata.jsonl").open("a") as stream:
        stream.write('{"file_name": "a.jpg"\n{"text": "x"}\n[]\n')
    assert [one.where for one in read_corpus(tmp_path / "hf").problems] == [
        f"metadata.jsonl:{n}" for n in (4, 5, 6)
    ]
    sidecar(tmp_path / "side")
    (tmp_path / "side" / "b.txt").unlink()
    (tmp_path / "side" / "c.txt").write_text("\n \n")
    assert [one.where for one in read_corpus(tmp_path / "side").problems] == ["b.jpg", "c.jpg"]


def test_a_header_cut_by_an_old_line_end_names_no_columns(tmp_path: Path) -> None:
    """What tells the form of a table and what reads it end a line at the same place."""
    write_images(tmp_path)
    (tmp_path / "captions.csv").write_bytes(b"image;\rcaption\na.jpg;a dog\n")
    with pytest.raises(CorpusError, match="No data set recognised"):
        read_corpus(tmp_path)


def test_a_header_that_is_no_text_is_one_problem(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "captions.csv").write_bytes(b"image,caption,\xff\na.jpg,a dog,1\n")
    with pytest.raises(CorpusError) as caught:
        read_corpus(tmp_path)
    assert "UTF-8" in str(caught.value)
    (tmp_path / "captions.csv").write_bytes(b"image,caption,\xff\n")  # and nothing below it
    with pytest.raises(CorpusError):
        read_corpus(tmp_path)


def test_a_cell_may_hold_a_line_break_and_a_table_may_be_a_tsv(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "metadata.csv").write_text(
        'file_name,text\na.jpg,"one\ntwo, three"\nb.jpg\n', encoding="utf-8"
    )
    corpus = read_corpus(tmp_path)
    assert [one.captions for one in corpus.examples] == [("one\ntwo, three",)]
    assert [one.where for one in corpus.problems] == ["metadata.csv:4"]
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.tsv").write_text("file_name\ttext\na.jpg\tone, two; three\n", encoding="utf-8")
    assert [one.captions for one in read_corpus(tmp_path).examples] == [("one, two; three",)]


def test_parquet_is_read_or_the_package_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path)
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        CorpusError, match=r"metadata\.parquet is read by the package pyarrow: pip install pyarrow"
    ):
        read_corpus(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="no pyarrow here")
def test_parquet_by_the_real_package(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    write_images(tmp_path)
    rows = [
        {"file_name": name, "text": list(texts), "split": SPLITS[name]} for name, texts in CAPTIONS.items()
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    assert {one.image_id: one.captions for one in read_corpus(tmp_path).examples} == CAPTIONS
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(CorpusError, match="cannot be read as Parquet"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    "name", [5, None, ["a.jpg"], {"a": 1}, "", "a\0.jpg", "x" * 5000, "../" * 999 + "a.jpg"]
)
@pytest.mark.parametrize("layout", ["metadata.jsonl", "dataset_x.json", "captions_x.json"])
def test_one_odd_name_is_one_problem(layout: str, name: object, tmp_path: Path) -> None:
    write_images(tmp_path)
    contents = {
        "metadata.jsonl": [
            {"file_name": "a.jpg", "text": "x"},
            {"file_name": name, "text": "y", "split": [1]},
        ],
        "dataset_x.json": {
            "images": [{"filename": one, "split": {}, "sentences": [{"raw": "x"}]} for one in ("a.jpg", name)]
        },
        "captions_x.json": {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": name}],
            "annotations": [{"image_id": number, "caption": "x"} for number in (1, 2)],
        },
    }
    content = contents[layout]
    lines = content if isinstance(content, list) else [content]
    (tmp_path / layout).write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    corpus = read_corpus(tmp_path)
    assert [one.captions for one in corpus.examples] == [("x",)]
    (problem,) = corpus.problems
    assert str(problem).isprintable()


def test_half_an_emoji_and_deep_brackets_are_one_problem_or_a_mark(tmp_path: Path) -> None:
    write_images(tmp_path)
    lines = [
        '{"file_name": "a.jpg", "text": "a \\ud83d"}',
        '{"file_name": "b.jpg", "text": ' + "[" * 99_999,
        "{}",
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    corpus = read_corpus(tmp_path)
    assert [one.captions for one in corpus.examples] == [("a \ufffd",)]
    assert [one.where for one in corpus.problems] == ["metadata.jsonl:2", "metadata.jsonl:3"]


def test_a_line_without_end_costs_itself_alone_and_no_memory(tmp_path: Path) -> None:
    write_images(tmp_path)
    with gzip.open(tmp_path / "captions.csv.gz", "wb") as stream:
        stream.write(b"image,caption\na.jpg,one\n")
        for _ in range(300):
            stream.write(b" " * 2**20)
        stream.write(b"\nb.jpg,two\n")
    tracemalloc.start()
    corpus = read_corpus(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.captions for one in corpus.examples] == [("one",), ("two",)]
    assert [one.where for one in corpus.problems] == ["captions.csv.gz:3"]
    assert peak < 30 * 2**20


def test_nothing_recognised_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(CorpusError) as caught:
        read_corpus(tmp_path)
    for layout in LAYOUTS:
        assert f"{layout}: " in str(caught.value)
    with pytest.raises(CorpusError, match="no such file or folder"):
        read_corpus(tmp_path / "gone")
    with pytest.raises(UsageError, match="kaggle, "):
        read_corpus(tmp_path, "kagle")
    with pytest.raises(CorpusError, match=r"captions\.txt"):
        read_corpus(tmp_path, "kaggle")


def test_a_data_set_without_its_images_is_an_error_that_shows_some(tmp_path: Path) -> None:
    kaggle(tmp_path)
    for path in (tmp_path / "Images").iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="3 problems"):
        read_corpus(tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(CorpusError, match="not valid JSON"):
        read_corpus(tmp_path / "x.json")


LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_any_caption_survives_the_table(
    tmp_path_factory: pytest.TempPathFactory, captions: list[str]
) -> None:
    captions = [caption.strip() for caption in captions if caption.strip()] or ["x"]
    folder = tmp_path_factory.getbasetemp()
    (folder / "a.jpg").touch()
    text = "image,caption\n" + "".join(f"a.jpg,{quoted(caption)}\n" for caption in captions)
    (folder / "captions.txt").write_text(text, encoding="utf-8", newline="")
    (example,) = read_corpus(folder).examples
    assert example.captions == tuple(captions)


def test_flickr8k(shared_data: Path) -> None:
    table = read_corpus(shared_data / "flickr8k")
    tokens = read_corpus(shared_data / "flickr8k", "flickr-token")
    assert len(table) == 8091 and sum(len(one.captions) for one in table.examples) == 40455
    assert table.examples == tokens.examples and table.problems == ()
    assert [problem.where for problem in tokens.problems] == ["2258277193_586949ec62.jpg.1"]
