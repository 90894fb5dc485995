"""Undo reaches every run, the last one first, and never a caption that somebody edited since."""

from __future__ import annotations

from pathlib import Path

import pytest
from folder_runs import captions, contents, picture, run

from clipcap_ext.batch.disk import Disk
from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.journal import JOURNAL_FILE, Journal
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import Wording
from clipcap_ext.errors import UsageError


def overwrite(folder: Path, trigger: str) -> None:
    run(FolderTask(folder, Wording("overwrite", trigger=trigger)))


@pytest.fixture
def captioned(folder: Path) -> Path:
    """A person's own captions, then three runs over them."""
    for number in range(3):
        (folder / f"p{number}.txt").write_text(f"mine {number}\n", encoding="utf-8")
    for trigger in ("one", "two", "three"):
        overwrite(folder, trigger)
    return folder


OWN = {f"p{number}.txt": f"mine {number}\n".encode() for number in range(3)}


def test_every_run_can_be_undone_back_to_a_persons_own_captions(captioned: Path) -> None:
    for left, trigger in ((2, "two"), (1, "one")):
        undone = undo(captioned)
        assert (undone.runs, undone.left, undone.restored) == (1, left, 5)
        assert contents(captioned)["p0.txt"] == f"{trigger}, red 0".encode()
    assert undo(captioned).left == 0
    assert contents(captioned) == OWN
    assert undo(captioned).runs == 0


def test_all_runs_at_once(captioned: Path) -> None:
    undone = undo(captioned, None)
    assert (undone.runs, undone.left, undone.restored, undone.names("kept")) == (3, 0, 5, [])
    assert contents(captioned) == OWN


def test_captions_edited_between_runs_come_back_and_those_edited_since_are_kept(folder: Path) -> None:
    overwrite(folder, "one")
    (folder / "p0.txt").write_text("edited between", encoding="utf-8")
    overwrite(folder, "two")
    (folder / "p1.txt").write_text("edited since", encoding="utf-8")
    (folder / "p2.txt").unlink()
    first = undo(folder)
    assert first.names("kept") == ["p1.txt", "p2.txt"] and first.restored == 3
    assert contents(folder)["p0.txt"] == b"edited between"
    second = undo(folder)
    assert second.names("kept") == ["p0.txt", "p1.txt"] and second.restored == 3
    assert contents(folder) == {"p0.txt": b"edited between", "p1.txt": b"edited since"}
    assert (folder / JOURNAL_FILE).exists(), "what was written over stays to be read"


def test_a_caption_file_that_is_not_utf8_is_put_back_to_the_byte(folder: Path) -> None:
    for number, content in enumerate((b"caf\xe9", b"\xff\xfem\0", b"\x80" * 100)):
        (folder / f"p{number}.txt").write_bytes(content)
    before = contents(folder)
    overwrite(folder, "sks")
    assert contents(folder)["p0.txt"] == b"sks, red 0"
    assert undo(folder).restored == 5
    assert contents(folder) == before


def test_undo_goes_on_past_what_is_not_utf8_or_no_file_now(folder: Path) -> None:
    overwrite(folder, "one")
    (folder / "p4.txt").write_bytes(b"caf\xe9")
    (folder / "p3.txt").unlink()
    (folder / "p3.txt").mkdir()
    undone = undo(folder)
    assert undone.names("kept") == ["p3.txt", "p4.txt"] and undone.restored == 3
    assert contents(folder) == {"p4.txt": b"caf\xe9"}


class Killed(BaseException):
    """The end of a process, as far as a test can be one."""


class Mortal(Disk):
    """Dies at its n-th write or removal, before or after it is done."""

    def __init__(self, at: int, after: bool) -> None:
        self.left, self.after = at, after

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def write(self, path: Path, content: bytes) -> None:
        if not self.after:
            self._count()
        super().write(path, content)
        if self.after:
            self._count()

    def remove(self, path: Path) -> None:
        if not self.after:
            self._count()
        super().remove(path)
        if self.after:
            self._count()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(5))
def test_an_undo_that_was_killed_is_undone_to_its_end_and_names_nothing_as_changed(
    captioned: Path, at: int, after: bool
) -> None:
    with pytest.raises(Killed):
        undo(captioned, None, Mortal(at, after))
    undone = undo(captioned, None)
    assert (undone.names("kept"), undone.restored, undone.left) == ([], 5, 0)
    assert contents(captioned) == OWN


def test_a_file_that_cannot_be_put_back_keeps_its_run_for_another_try(captioned: Path) -> None:
    class ReadOnly(Disk):
        def write(self, path: Path, content: bytes) -> None:
            if path.name == "p1.txt":
                raise PermissionError(13, "Permission denied")
            super().write(path, content)

    undone = undo(captioned, None, ReadOnly())
    assert (undone.runs, undone.left, undone.names("failed")) == (0, 3, ["p1.txt"])
    assert undone.fates["p1.txt"].reason == "Permission denied"
    assert undo(captioned, None).runs == 3
    assert contents(captioned) == OWN


def test_a_run_between_does_not_make_an_interrupted_one_say_things_twice(folder: Path) -> None:
    (folder / "p0.txt").write_text("mine", encoding="utf-8")
    appending = FolderTask(folder, Wording("append", suffix="at dawn"))
    going = run_plan(plan_folder(appending), captions, batch_size=1)
    next(going), next(going)
    going.close()
    (folder / "p1.txt").write_text("edited by hand", encoding="utf-8")
    run(FolderTask(folder, Wording("prepend", suffix="b")))
    run(appending)
    found = contents(folder)
    assert found["p0.txt"] == b"red 0 b, mine, red 0 at dawn"
    assert found["p1.txt"] == b"red 1 b, edited by hand"
    assert found["p2.txt"] == b"red 2 b, red 2 at dawn"
    assert undo(folder, None).names("kept") == ["p1.txt"]
    assert contents(folder) == {"p0.txt": b"mine", "p1.txt": b"edited by hand"}


def test_after_a_failed_picture_the_same_run_adds_to_that_one_alone(folder: Path) -> None:
    for number in range(5):
        (folder / f"p{number}.txt").write_text("old", encoding="utf-8")
    (folder / "p2.png").write_bytes(b"no picture")
    task = FolderTask(folder, Wording("append"))
    assert sorted(one.state for one in run(task)) == ["done"] * 4 + ["failed"]
    picture(folder / "p2.png", 2)
    assert sorted(one.state for one in run(task)) == ["done"] + ["skipped"] * 4
    assert contents(folder) == {f"p{number}.txt": f"old, red {number}".encode() for number in range(5)}
    run(task)  # nothing is left of it, and what it says is there already
    assert contents(folder) == {f"p{number}.txt": f"old, red {number}".encode() for number in range(5)}
    undo(folder, None)
    assert contents(folder) == {f"p{number}.txt": b"old" for number in range(5)}


def test_a_caption_file_deleted_between_an_interruption_and_going_on_stays_deleted(folder: Path) -> None:
    (folder / "p0.txt").write_text("mine", encoding="utf-8")
    task = FolderTask(folder, Wording("overwrite"))
    with pytest.raises(Killed):
        run(task, disk=Mortal(1, after=False))
    (folder / "p0.txt").unlink()
    run(task)
    assert contents(folder)["p0.txt"] == b"red 0"
    assert undo(folder).names("kept") == ["p0.txt"]
    assert contents(folder) == {}


def test_undo_of_nothing_writes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    undone = undo(folder)
    assert (undone.runs, undone.left, undone.fates) == (0, 0, {})
    assert sorted(folder.iterdir()) == before and not Journal(folder).can_undo
    with pytest.raises(UsageError, match="no folder"):
        undo(folder / "none")
