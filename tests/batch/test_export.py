"""Captions as one file to take away: contents read back with the standard library."""

from __future__ import annotations

import csv
import io
import json
import zipfile

from clipcap_ext.batch.export import ExportRow, export

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
