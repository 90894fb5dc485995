"""A teacher's captions beside the people's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_tasks import captioning_task, random_features

from clipcap_ext.errors import CorpusError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.teacher import learnt_captions, read_teacher

TEXTS = {"a.jpg": ("a dog .", "the dog ."), "b.jpg": ("a cat .",)}
IDS = tuple(TEXTS)


def configured(path: Path, **changes: Any) -> CaptioningConfig:
    return CaptioningConfig(teacher=str(path), **changes)


def lines(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_its_captions_are_learnt_as_often_as_asked(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", {"path": "somewhere/b.jpg", "caption": "A Cat sits.", "model": "m"})
    taught = learnt_captions(TEXTS, IDS, configured(path, teacher_times=2))
    assert taught == [["a dog .", "the dog ."], ["a cat .", "a cat sits.", "a cat sits."]]


def test_a_task_learns_them_and_is_not_judged_by_them(tmp_path: Path) -> None:
    plain = captioning_task()
    corpus, _ = random_features(0, 8)
    records = [{"path": one.image_id, "caption": "seen by a teacher"} for one in corpus.examples]
    path = lines(tmp_path / "t.jsonl", *records)
    taught = captioning_task(teacher=str(path), teacher_times=2)
    assert len(taught.lengths) == len(plain.lengths) + 2 * 8
    assert len(taught._val.ids) == len(plain._val.ids)


def test_without_one_nothing_is_added() -> None:
    assert learnt_captions(TEXTS, IDS, CaptioningConfig()) == [list(group) for group in TEXTS.values()]


def test_what_the_terminal_prints_is_read(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    cat = Path(__file__).resolve().parents[3] / "clipcap_ext" / "examples" / "cat.jpg"
    ran = subprocess.run(
        [sys.executable, "-m", "clipcap_ext", "caption", str(cat), str(tmp_path / "broken.jpg"), "--json"],
        capture_output=True,
        encoding="utf-8",
    )
    path = tmp_path / "t.jsonl"
    path.write_text(ran.stdout, encoding="utf-8")
    read = read_teacher(path)
    assert list(read) == ["cat.jpg"] and "cat" in read["cat.jpg"], ran.stderr


@pytest.mark.parametrize("said", ["[1]\n", "{\n", '{"caption": "a dog"}\n'], ids=["a list", "cut", "no path"])
def test_another_file_is_refused(tmp_path: Path, said: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(said, encoding="utf-8")
    with pytest.raises(CorpusError, match="caption --json"):
        read_teacher(path)


def test_a_teacher_of_other_photos_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", {"path": "c.jpg", "caption": "a cow ."})
    with pytest.raises(CorpusError, match="file names must agree"):
        learnt_captions(TEXTS, IDS, configured(path))
