"""Whatever is run, edited by hand, killed and undone, in whatever order: each caption file holds what a plain
model says, and a person's own words come back."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from folder_runs import captions, picture
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clipcap_ext.batch.disk import Disk
from clipcap_ext.batch.entry import Begin, Finish, Undo, Write, entry_of
from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.journal import JOURNAL_FILE, Journal
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import POLICIES, Wording
from clipcap_ext.errors import CaptionError

NAMES = ("a", "b", "c", "d")
ADDING = ("append", "prepend")
EDITS = (b"mine", b"mine\n", "\ufeffmine \u2028 too".encode(), b"caf\xe9", b"", b" \n", None)
NEVER = 10**6


class Killed(BaseException):
    """The end of the process."""


class Removed:
    """The journal was removed, since nothing in it could be wanted."""


class Failing(Disk):
    """A disk that at its n-th change kills the process before, in the middle of or after it, or is full.

    `lines` and `files`: what reached it whole.
    """

    def __init__(self, at: int = NEVER, how: str = "before") -> None:
        self.left, self.how = at, how
        self.lines: list[object] = []
        self.files: dict[str, bytes | None] = {}

    def write(self, path: Path, content: bytes) -> None:
        self._change(lambda: (path.write_bytes(content), self.files.update({path.stem: content})))

    def remove(self, path: Path) -> None:
        def whole() -> None:
            path.unlink()
            if path.name == JOURNAL_FILE:
                self.lines.append(Removed())
            else:
                self.files[path.stem] = None

        self._change(whole)

    def append(self, handle: int, line: bytes) -> None:
        def half() -> None:
            super(Failing, self).append(handle, line[: len(line) // 2])

        whole = lambda: (super(Failing, self).append(handle, line), self.lines.append(entry_of(line)))  # noqa: E731
        self._change(whole, half)

    def _change(self, whole: object, half: object = lambda: None) -> None:
        self.left -= 1
        if self.left != 0:
            return whole()  # type: ignore[operator]
        if self.how == "after":
            whole()  # type: ignore[operator]
        elif self.how in ("middle", "full"):
            half()  # type: ignore[operator]
        raise OSError(28, "No space left on device") if self.how == "full" else Killed


@dataclass
class Past:
    """A run as the model remembers it."""

    settings: object
    writes: list[Write] = field(default_factory=list)
    finished: bool = False


FAULTS = st.one_of(
    st.just((NEVER, "before")),
    st.tuples(st.integers(1, 12), st.sampled_from(["before", "middle", "after", "full"])),
)


class FolderMachine(RuleBasedStateMachine):
    """Four pictures, whose caption files begin as a person left them."""

    @initialize(own=st.lists(st.sampled_from(EDITS), min_size=len(NAMES), max_size=len(NAMES)))
    def begin(self, own: list[bytes | None]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.broken: set[str] = set()
        self.runs: list[Past] = []
        self.files: dict[str, bytes | None] = {}
        for red, (name, content) in enumerate(zip(NAMES, own, strict=True)):
            picture(self.folder / f"{name}.png", red)
            self._edit(name, content)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _edit(self, name: str, content: bytes | None) -> None:
        path = self.folder / f"{name}.txt"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        self.files[name] = content

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(EDITS))
    def edit_by_hand(self, name: str, content: bytes | None) -> None:
        self._edit(name, content)

    @rule(name=st.sampled_from(NAMES))
    def break_or_mend_a_picture(self, name: str) -> None:
        self.broken ^= {name}
        path = self.folder / f"{name}.png"
        path.write_bytes(b"no picture") if name in self.broken else picture(path, NAMES.index(name))

    @rule(policy=st.sampled_from(POLICIES), trigger=st.sampled_from(["", "sks"]), fault=FAULTS)
    def run(self, policy: str, trigger: str, fault: tuple[int, str]) -> None:
        task = FolderTask(self.folder, Wording(policy, trigger=trigger))
        disk, died = Failing(*fault), False
        expected = {name: self._expected(task, name) for name in NAMES}
        failed = any(text is ... for text in expected.values())
        try:
            for result in run_plan(plan_folder(task), captions, batch_size=2, disk=disk):
                failed |= result.state == "failed"
        except (Killed, CaptionError):
            died = True
        for name, content in disk.files.items():
            assert content == expected[name], "what is written is what was to be written, or nothing is"
            self.files[name] = content
        self._remember(task, disk.lines)
        finished = any(isinstance(line, Finish) for line in disk.lines)
        todo = any(isinstance(text, bytes) for text in expected.values()) or self.broken
        assert not finished or not (failed and policy in ADDING)
        if not died and todo and not (failed and policy in ADDING):
            assert (
                all(self.files[name] == text for name, text in expected.items() if isinstance(text, bytes))
                or failed
            )

    def _expected(self, task: FolderTask, name: str) -> object:
        """The text that a run is to write, None where it is to leave the file alone, ... where it fails."""
        wording, old = task.wording, self.files[name]
        same = [past for past in self.runs if past.settings == task.settings() and not past.finished]
        for write in (write for past in same for write in past.writes if write.sidecar == f"{name}.txt"):
            if old is not None and (old == write.new or old != write.old):
                return None
        try:
            text = "" if old is None else old.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        empty = text is not None and not text.lstrip("\ufeff").strip()
        if not empty and wording.policy in ("skip", "only-empty"):
            return None
        if (text is None and wording.policy in ADDING) or name in self.broken:
            return ...
        caption = f"red {NAMES.index(name)} ."
        return wording.compose(caption, self.folder / f"{name}.png", text).encode("utf-8")

    def _remember(self, task: FolderTask, lines: list[object]) -> None:
        for line in lines:
            if isinstance(line, Removed):
                assert not any(past.writes for past in self.runs)
                self.runs.clear()
            elif isinstance(line, Begin):
                self.runs.append(Past(task.settings()))
            elif isinstance(line, Write):
                assert self.runs[-1].settings == task.settings()
                self.runs[-1].writes.append(line)
            elif isinstance(line, Finish):
                for past in self.runs:
                    past.finished |= past.settings == task.settings()

    @rule(every=st.booleans(), fault=FAULTS)
    def take_back(self, every: bool, fault: tuple[int, str]) -> None:
        disk = Failing(*fault)
        wanted = sum(bool(past.writes) for past in self.runs) if every else 1
        after, kept = dict(self.files), set()
        for past in [past for past in reversed(self.runs) if past.writes][:wanted]:
            for write in reversed(past.writes):
                name = write.sidecar.removesuffix(".txt")
                if after[name] == write.new:
                    after[name] = write.old
                kept = (kept | {write.sidecar}) if after[name] != write.old else (kept - {write.sidecar})
        try:
            undone = undo(self.folder, None if every else 1, disk)
            if not undone.names("failed"):
                assert set(undone.names("kept")) == kept
                assert {name: self._held(name) for name in NAMES} == after
        except (Killed, CaptionError):
            pass
        for name in NAMES:  # each file is as before, as one of the runs found it, or as it is to be
            found = {
                write.old for past in self.runs for write in past.writes if write.sidecar == f"{name}.txt"
            }
            assert self._held(name) in {self.files[name], after[name], *found}
            self.files[name] = self._held(name)
        self._forget(disk.lines)

    def _forget(self, lines: list[object]) -> None:
        for line in lines:
            if isinstance(line, Undo):
                while self.runs and not self.runs.pop().writes:
                    pass
            elif isinstance(line, Removed):
                assert not any(past.writes for past in self.runs)
                self.runs.clear()

    def _held(self, name: str) -> bytes | None:
        path = self.folder / f"{name}.txt"
        return path.read_bytes() if path.exists() else None

    @invariant()
    def files_and_runs_are_as_the_model_says(self) -> None:
        if not hasattr(self, "folder"):
            return
        assert {name: self._held(name) for name in NAMES} == self.files
        known = Journal(self.folder).runs
        assert [list(run.writes) for run in known] == [past.writes for past in self.runs if past.writes]
        ours = {JOURNAL_FILE, *(f"{name}.{kind}" for name in NAMES for kind in ("png", "txt"))}
        assert {path.name for path in self.folder.iterdir()} <= ours

    @rule()
    def taking_everything_back_gives_a_persons_own_words(self) -> None:
        """Undone to the first run, no file holds anything that a run wrote, unless a person left it there."""
        disk = Failing()
        undo(self.folder, None, disk)
        for name in NAMES:
            writes = [write for past in self.runs for write in past.writes if write.sidecar == f"{name}.txt"]
            for write in reversed(writes):
                if self.files[name] == write.new:
                    self.files[name] = write.old
        self._forget(disk.lines)
        assert not any(past.writes for past in self.runs)


FolderMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=14, deadline=None)
TestAnyHistory = pytest.mark.filterwarnings("ignore")(FolderMachine.TestCase)
