"""Captions as one file to take away: contents read back with the standard library."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipcap_ext.batch.export import ExportRow, export
from clipcap_ext.corpus.cells import guard_cell, plain_text

ROWS = [
    ExportRow("dog.png", 'a "dog", running'),
    ExportRow("dog.jpg", "un chien, 犬\nsecond line"),
    ExportRow("broken.png", "", "broken.png cannot be read"),
    ExportRow("../../etc/dog.gif", "evil"),
]


def test_the_zip_holds_one_text_a_picture_and_no_path_of_the_sender() -> None:
    name, content = export(ROWS, "zip")
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert name == "captions.zip"
    assert archive.namelist() == ["dog.txt", "dog.jpg.txt", "dog.gif.txt"]
    assert archive.read("dog.jpg.txt").decode("utf-8") == "un chien, 犬\nsecond line"


def test_three_pictures_of_one_name_keep_three_texts() -> None:
    content = export([ExportRow("a.png", str(number)) for number in range(4)], "zip")[1]
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert len(set(archive.namelist())) == 4
    assert sorted(archive.read(name).decode() for name in archive.namelist()) == ["0", "1", "2", "3"]


def test_the_csv_names_what_failed() -> None:
    name, content = export(ROWS, "csv")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert name == "captions.csv"
    assert [row["text"] for row in rows[:2]] == ['a "dog", running', "un chien, 犬\nsecond line"]
    assert rows[2]["problem"] == "broken.png cannot be read"


def test_the_json_lines_are_what_imagefolder_reads() -> None:
    name, content = export(ROWS, "jsonl")
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert name == "metadata.jsonl"
    assert [row["file_name"] for row in rows] == ["dog.png", "dog.jpg", "../../etc/dog.gif"]
    assert all(set(row) == {"file_name", "text"} for row in rows)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_reading_gives_it_back(text: str) -> None:
    content = export([ExportRow(f"{text}.png", text, text)], "csv")[1]
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert all(cell.startswith("'") for cell in rows[1])
    assert [plain_text(cell) for cell in rows[1]] == [f"{text}.png", text, text]


@given(st.text(alphabet="'=+-@\t\r ab", max_size=6))
def test_a_guarded_cell_is_read_as_it_was_and_others_stay_as_they_are(text: str) -> None:
    assert plain_text(guard_cell(text)) == text
    assert not guard_cell(text).startswith(tuple("=+-@\t\r"))
    if not text.startswith("'"):
        assert plain_text(text) == text


def test_an_apostrophe_that_is_only_one_stays() -> None:
    assert guard_cell("'tis a dog") == "'tis a dog" == plain_text("'tis a dog")


@pytest.mark.parametrize(
    ("file_name", "entry"),
    [
        ("..\\..\\evil.png", "evil.txt"), ("C:\\x\\dog.png", "dog.txt"), ("a\0b.png", "a\ufffdb.txt"),
        ("a/b\\c/dog.png", "dog.txt"), ("C:dog.png", "C_dog.txt"), ("..", "picture.txt"), ("", "picture.txt"),
        ("nul.png", "_nul.txt"), ("a\nb.png", "a_b.txt"), ("dog.png.", "dog.txt"),
        ("x" * 300 + ".png", "x" * 120 + ".txt"), ("\ud83d.png", "\ufffd.txt"),
        ("/", "picture.txt"), ("...", "picture.txt"),
    ],
)  # fmt: skip
def test_a_name_in_the_zip_is_no_path_on_any_system(file_name: str, entry: str) -> None:
    assert zipfile.ZipFile(io.BytesIO(export([ExportRow(file_name, "x")], "zip")[1])).namelist() == [entry]


LETTERS = st.characters(exclude_categories=())  # halves of emoji, too


@given(st.lists(st.builds(ExportRow, st.text(LETTERS, max_size=12), st.text(LETTERS))))
@example([ExportRow("a\ud83d.png", "\ude00 half"), ExportRow("b.png", "whole \U0001f600")])
def test_no_letter_ends_an_export(rows: list[ExportRow]) -> None:
    archive = zipfile.ZipFile(io.BytesIO(export(rows, "zip")[1]))
    names = archive.namelist()
    assert len({name.lower() for name in names}) == len(names) == len(rows)
    for name in names:
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name and "\0" not in name
    lines = export(rows, "jsonl")[1].decode("utf-8").split("\n")[:-1]
    table = list(csv.reader(io.StringIO(export(rows, "csv")[1].decode("utf-8-sig"), newline="")))[1:]
    for row, line, cells, name in zip(rows, lines, table, names, strict=True):
        if not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in row.text):
            assert json.loads(line)["text"] == plain_text(cells[1]) == row.text
            assert archive.read(name).decode("utf-8") == row.text
