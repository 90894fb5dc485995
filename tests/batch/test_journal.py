"""The journal: letters that end lines elsewhere, damaged lines, journals from strangers, links, two at a
time."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folder_runs import captions, contents, picture, run

from clipcap_ext.batch.entry import Begin, Finish, Owner, Undo, Write, entry_of, line_of
from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.journal import JOURNAL_FILE, FolderBusy, Journal, open_journal
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import Wording
from clipcap_ext.errors import CaptionError
from clipcap_ext.files import _HOST

ROOT = Path(__file__).resolve().parents[2]
ODD = "\u2028\u2029\x85\x0b\x0c\x1c\r"  # str.splitlines breaks lines at each
DAMAGED = [
    b"5", b"null", b'"begin"', b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"write": ' * 50_000,
    b'{"begin": 5}', b'{"begin": {"note": {}}}', b'{"begin": {"note": [1]}}', b'{"finish": 1}',
    b'{"undo": "yes"}', b'{"write": 5, "old": null, "new": "x"}',
    b'{"write": "p0.txt", "old": 5, "new": "x"}',
    b'{"write": "p0.txt", "old": null}', b'{"write": "p0.txt", "old": null, "new": "\\ud800"}',
    b'{"write": "p0.txt", "old": {"base64": "?"}, "new": "x"}', b'{"write": "", "old": null, "new": "x"}',
    b'{"write": "a\\u0000.txt", "old": null, "new": "x"}',
]  # fmt: skip


def kept(folder: Path) -> dict[str, bytes]:
    """Everything below, except what is ours."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL_FILE
    }


@pytest.mark.parametrize(
    "entry",
    [
        Begin({"note": ODD, "recursive": True}, Owner(5, "here", "2026-01-01")), Finish(), Undo(3),
        Write(f"sub/{ODD}.txt", None, "犬 \U0001f600".encode()), Write("a.txt", b"caf\xe9", b""),
        Write(os.fsdecode(b"caf\xe9.caption"), ODD.encode(), ODD.encode()),
    ],
)  # fmt: skip
def test_an_entry_is_one_line_of_ascii_and_comes_back(entry: object) -> None:
    line = line_of(entry)
    assert line.isascii() and line.decode().splitlines(keepends=True) == [line.decode()]
    assert entry_of(line) == entry


def test_letters_that_end_lines_elsewhere_are_kept_undone_and_added_once(folder: Path) -> None:
    picture(folder / "a\u2028b.png", 7)
    (folder / "p0.txt").write_bytes(f"mine{ODD}too".encode())
    before = contents(folder)
    task = FolderTask(folder, Wording("append", prefix="in\u2028the", suffix="x\x85y"))
    going = run_plan(plan_folder(task), captions, batch_size=1)
    next(going), next(going)
    going.close()
    run(task)
    assert contents(folder)["p0.txt"] == f"mine{ODD}too, in\u2028the red 0 x\x85y".encode()
    assert contents(folder)["a\u2028b.txt"] == "in\u2028the red 7 x\x85y".encode()
    undone = undo(folder)
    assert (undone.restored, undone.names("kept"), undone.problems) == (6, [], ())
    assert contents(folder) == before


@pytest.mark.parametrize("line", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_is_named_and_passed_over(folder: Path, line: bytes) -> None:
    (folder / "p0.txt").write_text("mine", encoding="utf-8")
    before = contents(folder)
    run(FolderTask(folder, Wording("overwrite")))
    path = folder / JOURNAL_FILE
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, *lines[1:], line[: len(line) // 2 + 1]]))
    problems = Journal(folder).problems
    assert any(f"Line 2 of {JOURNAL_FILE} is passed over" in problem for problem in problems)
    assert plan_folder(FolderTask(folder)).files
    undone = undo(folder)
    assert undone.restored == 5 and undone.problems
    assert contents(folder) == before


def test_a_last_line_cut_short_is_named_and_the_next_one_is_whole(folder: Path) -> None:
    run(FolderTask(folder))
    path = folder / JOURNAL_FILE
    path.write_bytes(path.read_bytes() + b'{"write": "p1.t')
    assert [problem.partition(" is")[0] for problem in Journal(folder).problems] == [
        f"Line 8 of {JOURNAL_FILE}"
    ]
    run(FolderTask(folder, Wording("overwrite", trigger="sks")))
    assert len(Journal(folder).problems) == 1 and len(Journal(folder).runs) == 2


OUTSIDE = [
    "../victim.txt", "{outside}/victim.txt", "sub/../../victim.txt", "out/victim.txt", "leads.txt",
    "../../../../../../../../tmp/x.txt", "p0.png", "../victim.png", ".bashrc", "notes.md", "..", ".",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("old", ["evil", None])
def test_undo_believes_no_journal_about_what_is_no_caption_file_of_the_folder(
    folder: Path, name: str, old: str | None
) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    for place in ("../elsewhere/victim.txt", "../victim.txt", "notes.md", ".bashrc"):
        (folder / place).write_text("known", encoding="utf-8")
    (folder / "sub").mkdir()
    (folder / "out").symlink_to(outside, target_is_directory=True)
    (folder / "leads.txt").symlink_to(outside / "victim.txt")
    before = kept(folder.parent)
    named = {"write": name.replace("{outside}", str(outside)), "old": old}
    pixels = base64.b64encode((folder / "p0.png").read_bytes()).decode()
    lines = [{"begin": {}}, {**named, "new": "known"}, {**named, "new": {"base64": pixels}}]
    (folder / JOURNAL_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    undone = undo(folder, None)
    assert kept(folder.parent) == before
    assert undone.names("restored") == []
    assert undone.names("refused") or undone.problems


def test_a_caption_file_that_leads_out_of_the_folder_is_not_written_through(folder: Path) -> None:
    victim = folder.parent / "victim.txt"
    victim.write_text("mine", encoding="utf-8")
    (folder / "p0.txt").symlink_to(victim)
    (folder / "p1.txt").symlink_to(folder / "p1.png")
    (folder / "p2.txt").symlink_to(folder / "p2.txt")
    (folder / "other.txt").write_text("theirs", encoding="utf-8")
    (folder / "p3.txt").symlink_to("other.txt")
    pixels = (folder / "p1.png").read_bytes()
    results = {one.image.name: one for one in run(FolderTask(folder, Wording("overwrite")))}
    assert [name for name, one in results.items() if one.state == "failed"] == ["p0.png", "p1.png", "p2.png"]
    assert "p0.txt is a link" in results["p0.png"].text
    assert victim.read_text() == "mine" and (folder / "p1.png").read_bytes() == pixels
    assert (folder / "other.txt").read_text() == "red 3"
    assert undo(folder).restored == 2
    assert (folder / "other.txt").read_text() == "theirs" and (folder / "p3.txt").is_symlink()


def test_a_journal_that_is_a_link_a_folder_or_a_pipe_is_refused(folder: Path) -> None:
    path, victim = folder / JOURNAL_FILE, folder.parent / "victim"
    victim.write_text("mine", encoding="utf-8")
    for make in (lambda: path.symlink_to(victim), path.mkdir, lambda: os.mkfifo(path)):
        make()
        for use in (lambda: run(FolderTask(folder)), lambda: undo(folder), lambda: Journal(folder).busy()):
            with pytest.raises(CaptionError, match="move it away"):
                use()
        path.rmdir() if path.is_dir() else path.unlink()
    assert victim.read_text() == "mine" and contents(folder) == {}


def test_a_journal_with_a_second_name_leaves_that_as_it_was(folder: Path) -> None:
    run(FolderTask(folder))
    backup = folder.parent / "backup"
    os.link(folder / JOURNAL_FILE, backup)
    before = backup.read_bytes()
    run(FolderTask(folder, Wording("overwrite", trigger="sks")))
    assert backup.read_bytes() == before
    assert undo(folder, None).runs == 2 and contents(folder) == {}


def test_nothing_of_ours_stays_in_a_folder_once_all_is_undone(folder: Path) -> None:
    before = kept(folder)
    run(FolderTask(folder))
    assert (folder / JOURNAL_FILE).exists()
    undo(folder)
    assert kept(folder) == before and not (folder / JOURNAL_FILE).exists()


def test_two_runs_and_an_undo_are_kept_apart(folder: Path) -> None:
    going = run_plan(plan_folder(FolderTask(folder)), captions, batch_size=1)
    next(going)
    assert Journal(folder).busy()
    for other in (lambda: run(FolderTask(folder, Wording("overwrite"))), lambda: undo(folder)):
        with pytest.raises(FolderBusy, match=f"process {os.getpid()} on .*, since 20"):
            other()
    assert [result.state for result in going] == ["done"] * 4
    assert not Journal(folder).busy()
    run(FolderTask(folder, Wording("overwrite", trigger="sks")))
    assert [len(one.writes) for one in Journal(folder).runs] == [5, 5]


KILLED = """
import sys, os, signal
sys.path.insert(0, "tests")
from pathlib import Path
from folder_runs import captions
from clipcap_ext.batch.disk import Disk
from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.wording import Wording
from clipcap_ext.files import write_file

class Cut(Disk):
    left = int(sys.argv[2])
    def write(self, path, content):
        if self.left == 0:
            with write_file(path) as part:
                part.write_bytes(content[:1])
                os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        super().write(path, content)

list(run_plan(plan_folder(FolderTask(Path(sys.argv[1]), Wording("append"))), captions, disk=Cut()))
"""


def test_a_killed_run_holds_no_lock_leaves_no_stray_and_goes_on(folder: Path) -> None:
    for number in range(5):
        (folder / f"p{number}.txt").write_text("old", encoding="utf-8")
    before = kept(folder)
    task = FolderTask(folder, Wording("append"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), "2"], cwd=ROOT, timeout=120)
    assert done.returncode == -9
    strays = [name for name in os.listdir(folder) if name.endswith(".part")]
    assert len(strays) == 1 and _HOST in strays[0]
    assert [one.state for one in run(task)] == ["skipped", "skipped", "done", "done", "done"]
    assert contents(folder) == {f"p{number}.txt": f"old, red {number}".encode() for number in range(5)}
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]
    undone = undo(folder)
    assert (undone.restored, undone.names("kept")) == (5, [])
    assert kept(folder) == before


def test_a_line_that_the_disk_did_not_take_is_taken_off_again(folder: Path) -> None:
    with open_journal(folder) as journal:
        journal.begin({"note": "a"})
        journal.record(Write("p0.txt", None, b"x"))
    before = (folder / JOURNAL_FILE).read_bytes()

    class Full:
        def append(self, handle: int, line: bytes) -> None:
            os.write(handle, line[:5])
            raise OSError(28, "No space left on device")

    with open_journal(folder, Full()) as journal:  # type: ignore[arg-type]
        with pytest.raises(CaptionError, match="No space left"):
            journal.finish()
    assert (folder / JOURNAL_FILE).read_bytes() == before
