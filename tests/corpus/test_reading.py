"""Every layout says the same of the same images, is recognised by itself, and names what is broken in it."""

from __future__ import annotations

import gzip
import json
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
    assert {layout for layout, _ in WRITERS.values()} == set(LAYOUTS)


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
