"""Captioning a folder: nothing of the user's is ever lost, one bad file stops nothing, a run goes on where it
ended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from folder_runs import at_once, captions, picture, run, say_red, shade
from PIL import Image

from clipcap_ext.batch.disk import Disk
from clipcap_ext.batch.folder import FolderTask, folder_from_text, plan_folder
from clipcap_ext.batch.journal import JOURNAL_FILE, Journal
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.sidecar import read_sidecar
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import Wording
from clipcap_ext.caption import Caption
from clipcap_ext.errors import CaptionError, UsageError


def texts(folder: Path, pattern: str = "*.txt") -> dict[str, str]:
    return {path.name: path.read_bytes().decode("utf-8") for path in sorted(folder.glob(pattern))}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.png")}


def test_captions_land_beside_pictures_which_stay_as_they_are(folder: Path) -> None:
    before = digests(folder)
    results = run(FolderTask(folder))
    assert [result.state for result in results] == ["done"] * 5
    assert texts(folder) == {f"p{number}.txt": f"red {number}" for number in range(5)}
    assert digests(folder) == before
    assert not list(folder.glob(".*.part"))


def test_the_plan_writes_nothing(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert len(plan_folder(FolderTask(folder)).to_write) == 5
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("policy", "full", "empty"),
    [
        ("skip", "mine é", "red 1"), ("overwrite", "red 0", "red 1"), ("append", "mine é, red 0", "red 1"),
        ("prepend", "red 0, mine é", "red 1"), ("only-empty", "mine é", "red 1"),
    ],
)  # fmt: skip
def test_policies(folder: Path, policy: str, full: str, empty: str) -> None:
    (folder / "p0.txt").write_text("mine é", encoding="utf-8")
    (folder / "p1.txt").write_text("", encoding="utf-8")
    run(FolderTask(folder, Wording(policy)))
    found = texts(folder)
    assert (found["p0.txt"], found["p1.txt"], found["p2.txt"]) == (full, empty, "red 2")


def test_extension_and_recursion(folder: Path) -> None:
    picture(folder / "deep" / "q.png", 9)
    run(FolderTask(folder, extension=".caption"))
    assert not (folder / "deep" / "q.caption").exists()
    run(FolderTask(folder, extension=".caption", recursive=True))
    assert read_sidecar(folder / "deep" / "q.caption") == b"red 9"
    assert texts(folder) == {}


def test_one_bad_file_stops_nothing_and_is_named(folder: Path) -> None:
    (folder / "p2.png").write_bytes(b"no picture")
    results = {result.image.name: result for result in run(FolderTask(folder), batch_size=2)}
    assert results["p2.png"].state == "failed"
    assert "p2.png" in results["p2.png"].text
    assert sum(result.state == "done" for result in results.values()) == 4


def test_a_batch_the_model_chokes_on_is_tried_one_by_one(folder: Path) -> None:
    def chokes(images: Sequence[Image.Image]) -> list[Caption]:
        if any(shade(image) == 3 for image in images):
            raise CaptionError("too red")
        return say_red(images)

    results = list(run_plan(plan_folder(FolderTask(folder)), at_once(chokes)))
    assert [result.image.name for result in results if result.state == "failed"] == ["p3.png"]
    assert [result.text for result in results if result.state == "failed"] == ["too red"]


def test_a_model_that_fails_on_every_picture_ends_the_run(folder: Path) -> None:
    calls = []

    def broken(images: Sequence[Image.Image]) -> list[Caption]:
        calls.append(len(images))
        raise CaptionError("no memory")

    with pytest.raises(CaptionError, match=r"3 pictures in a row.*no memory"):
        list(run_plan(plan_folder(FolderTask(folder)), at_once(broken)))
    assert len(calls) == 4


@pytest.mark.parametrize("policy", ["overwrite", "append", "prepend"])
def test_an_interrupted_run_goes_on_and_says_nothing_twice(folder: Path, policy: str) -> None:
    for number in range(5):
        (folder / f"p{number}.txt").write_text(f"old {number}", encoding="utf-8")
    task = FolderTask(folder, Wording(policy))
    going = run_plan(plan_folder(task), captions, batch_size=1)
    next(going), next(going)
    going.close()  # killed here
    second = run(task)
    assert [result.state for result in second] == ["skipped", "skipped", "done", "done", "done"]
    expected = {"overwrite": "red {0}", "append": "old {0}, red {0}", "prepend": "red {0}, old {0}"}[policy]
    assert texts(folder) == {f"p{number}.txt": expected.format(number) for number in range(5)}
    third = run(task)  # the run was finished, so this one starts anew
    assert [result.state for result in third] == ["done"] * 5


def test_other_settings_do_not_go_on_with_an_interrupted_run(folder: Path) -> None:
    going = run_plan(plan_folder(FolderTask(folder, Wording("overwrite"))), captions, batch_size=1)
    next(going)
    going.close()
    plan = plan_folder(FolderTask(folder, Wording("overwrite", trigger="sks")))
    assert len(plan.to_write) == 5


def test_a_crash_between_journal_and_caption_is_made_good(folder: Path) -> None:
    (folder / "p0.txt").write_text("old", encoding="utf-8")
    task = FolderTask(folder, Wording("append"))

    class PowerCut(Disk):
        def write(self, path: Path, content: bytes) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(task, disk=PowerCut())
    with open(folder / JOURNAL_FILE, "a", encoding="utf-8") as stream:
        stream.write('{"write": "p1.t')  # the disk took half a line
    run(task)
    assert texts(folder)["p0.txt"] == "old, red 0"
    assert len(texts(folder)) == 5


def test_stop_leaves_whole_files_and_the_rest_for_later(folder: Path) -> None:
    task, done = FolderTask(folder), []
    for result in run_plan(plan_folder(task), captions, batch_size=2, stopped=lambda: len(done) >= 2):
        done.append(result)
    assert len(done) == 2
    assert [result.state for result in run(task)].count("done") == 3


def test_undo_puts_every_text_back_and_leaves_what_changed_since(folder: Path) -> None:
    (folder / "p0.txt").write_bytes("\ufeffmine\r\nü".encode())
    (folder / "p1.txt").write_text("also mine", encoding="utf-8")
    run(FolderTask(folder, Wording("overwrite")))
    (folder / "p2.txt").write_text("edited by hand", encoding="utf-8")
    undone = undo(folder)
    assert (undone.restored, undone.names("kept")) == (4, ["p2.txt"])
    assert (folder / "p0.txt").read_bytes() == "\ufeffmine\r\nü".encode()
    assert texts(folder) == {"p0.txt": "\ufeffmine\r\nü", "p1.txt": "also mine", "p2.txt": "edited by hand"}
    assert not Journal(folder).can_undo


def test_two_pictures_of_one_stem_are_warned_of_and_do_not_overwrite_each_other(folder: Path) -> None:
    picture(folder / "p0.jpg", 200)
    plan = plan_folder(FolderTask(folder, Wording("overwrite")))
    assert plan.collisions == ("p0.jpg and p0.png share p0.txt",)
    results = list(run_plan(plan, captions))
    assert [result.image.name for result in results if result.state == "skipped"] == ["p0.png"]


def test_a_caption_file_that_is_not_utf8_is_left_alone(folder: Path) -> None:
    (folder / "p0.txt").write_bytes("café".encode("latin-1"))
    results = run(FolderTask(folder, Wording("append")))
    failed = [result for result in results if result.state == "failed"]
    assert [result.image.name for result in failed] == ["p0.png"]
    assert "UTF-8" in failed[0].text
    assert (folder / "p0.txt").read_bytes() == "café".encode("latin-1")


def test_a_byte_order_mark_is_no_part_of_the_caption(folder: Path) -> None:
    (folder / "p0.txt").write_bytes("mine".encode("utf-8-sig"))
    run(FolderTask(folder, Wording("append")))
    assert texts(folder)["p0.txt"] == "mine, red 0"


def test_a_caption_edited_while_the_run_goes_is_left_alone(folder: Path) -> None:
    going = run_plan(plan_folder(FolderTask(folder)), captions, batch_size=1)
    next(going)
    (folder / "p4.txt").write_text("typed just now", encoding="utf-8")
    results = list(going)
    assert results[-1].state == "failed"
    assert texts(folder)["p4.txt"] == "typed just now"


def test_a_failed_write_leaves_the_old_text_and_no_rubbish(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "p0.txt"
    path.write_text("old", encoding="utf-8")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        Disk().write(path, b"new")
    assert path.read_text() == "old"
    assert sorted(one.name for one in folder.glob("*p0*")) == ["p0.png", "p0.txt"]


@pytest.mark.parametrize("text", ["/a b/c", ' "/a b/c" ', "'/a b/c'"])
def test_folders_as_people_paste_them(text: str) -> None:
    assert folder_from_text(text) == Path("/a b/c")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No folder"):
        folder_from_text("  ")
    with pytest.raises(UsageError, match="no folder"):
        FolderTask(tmp_path / "none")
    with pytest.raises(UsageError, match="extension"):
        FolderTask(tmp_path, extension=".exe")
