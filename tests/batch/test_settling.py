"""Caption files written in groups: a power cut may take back those that are not settled, and nobody's words
are lost by it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from folder_runs import contents, picture, run

from clipcap_ext.batch import settling
from clipcap_ext.batch.disk import Disk
from clipcap_ext.batch.folder import FolderTask
from clipcap_ext.batch.journal import Journal
from clipcap_ext.batch.settling import Settling
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import Wording

PICTURES = 10


class Cut(BaseException):
    """The power is off."""


class Volatile(Disk):
    """Forgets at its n-th change some of the caption files whose folder was not settled since."""

    def __init__(self, at: int = 10**6, seed: int = 0) -> None:
        self.left, self.chance = at, random.Random(seed)
        self.loose: dict[Path, bytes | None] = {}  # what each held when it was settled last
        self.log: list[str] = []

    def write(self, path: Path, content: bytes) -> None:
        self.count()
        self.loose.setdefault(path, path.read_bytes() if path.exists() else None)
        super().write(path, content)
        self.log.append("write")

    def settle(self, folder: Path) -> None:
        super().settle(folder)
        self.loose = {path: held for path, held in self.loose.items() if path.parent != folder}
        self.log.append("settle")

    def append(self, handle: int, line: bytes) -> None:
        self.count()
        super().append(handle, line)
        self.log.append("finish" if b"finish" in line else "undo" if b"undo" in line else "line")

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut

    def lose(self) -> None:
        for path, held in self.loose.items():
            if self.chance.random() < 0.5:
                path.unlink() if held is None else path.write_bytes(held)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten in two folders, half of them with a caption."""
    monkeypatch.setattr(settling, "TOGETHER", 4)
    for number in range(PICTURES):
        place = picture(tmp_path / "a" / ("deep" if number % 2 else "") / f"p{number}.png", number)
        if number % 4 < 2:
            place.with_suffix(".txt").write_text("old", encoding="utf-8")
    return tmp_path / "a"


def without_settling_at_the_end(monkeypatch: pytest.MonkeyPatch, disk: Volatile) -> None:
    """A process that is gone settles nothing any more."""
    monkeypatch.setattr(
        Settling, "settle", lambda self, real=Settling.settle: None if disk.left < 0 else real(self)
    )


@pytest.mark.parametrize("at", range(1, 2 * PICTURES + 2, 2))
def test_after_a_power_cut_the_same_task_says_every_caption_once(
    pictures: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, disk = contents(pictures), Volatile(at, seed=at)
    task = FolderTask(pictures, Wording("append"), recursive=True)
    with monkeypatch.context() as patched, pytest.raises(Cut):
        without_settling_at_the_end(patched, disk)
        run(task, disk=disk)
    disk.lose()
    assert all(result.state != "failed" for result in run(task))
    for path in pictures.rglob("*.png"):
        name = path.with_suffix(".txt").relative_to(pictures).as_posix()
        said = b"red %d" % int(path.stem[1:])
        assert contents(pictures)[name] == (b"old, " + said if name in before else said)
    undo(pictures)
    assert contents(pictures) == before and not Journal(pictures).can_undo


@pytest.mark.parametrize("at", range(1, PICTURES // 2))
def test_after_a_power_cut_in_an_undo_it_can_be_called_again(
    pictures: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, disk = contents(pictures), Volatile(at, seed=at)
    run(FolderTask(pictures, Wording("append"), recursive=True))
    with monkeypatch.context() as patched, pytest.raises(Cut):
        without_settling_at_the_end(patched, disk)
        undo(pictures, disk=disk)
    disk.lose()
    undo(pictures)
    assert contents(pictures) == before


def test_the_disk_is_waited_for_once_a_group_and_before_the_journal_says_the_end(pictures: Path) -> None:
    shutil.rmtree(pictures / "deep")
    disk = Volatile()
    run(FolderTask(pictures, Wording("overwrite")), disk=disk)
    assert disk.log == ["line", *["line", "write"] * 4, "settle", "line", "write", "settle", "finish"]
    disk = Volatile()
    undo(pictures, disk=disk)
    assert disk.log[-2:] == ["settle", "undo"] and not disk.loose


def test_what_was_written_is_settled_when_a_run_is_stopped(pictures: Path) -> None:
    disk = Volatile()
    run(FolderTask(pictures), disk=disk, batch_size=1, stopped=lambda: "write" in disk.log)
    assert disk.log[-1] == "settle" and not disk.loose


def test_one_that_waits_long_for_the_next_is_settled_alone(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.0)
    disk = Volatile()
    run(FolderTask(pictures, Wording("overwrite")), disk=disk)
    assert disk.log.count("settle") == disk.log.count("write") == PICTURES // 2
