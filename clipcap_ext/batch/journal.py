"""A folder's own record of what was written over what: it lets a run go on after an interruption and be
undone.

One JSON object a line, on the disk before the caption file it speaks of is touched. While somebody writes in
the folder the journal is locked; the lock ends with its process, however that ends.
"""

from __future__ import annotations

import os
import platform
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from clipcap_ext.batch.disk import DISK, Disk
from clipcap_ext.batch.entry import Begin, Entry, Finish, Owner, Scalar, Undo, Write, entry_of, line_of
from clipcap_ext.batch.history import History, PastRun
from clipcap_ext.errors import CaptionError
from clipcap_ext.lock import try_lock

JOURNAL_FILE = ".clipcap-journal.jsonl"
MAX_BYTES = 2**29
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


class FolderBusy(CaptionError):
    """Somebody else writes captions in the folder at this moment."""


class Journal:
    """The journal of one folder as it is now; opening it writes nothing. `problems`: lines that were passed
    over, in words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = History()
        self.problems: list[str] = []
        try:
            handle = _open(folder / JOURNAL_FILE, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            _read(handle, self.history, self.problems)
        finally:
            os.close(handle)

    @property
    def runs(self) -> tuple[PastRun, ...]:
        """The runs that wrote something and were not undone yet, oldest first."""
        return tuple(run for run in self.history.runs if run.writes)

    @property
    def can_undo(self) -> bool:
        """Whether there is a run that was not undone yet."""
        return self.history.last() is not None

    def unfinished(self, settings: Mapping[str, Scalar]) -> dict[str, Write]:
        """What interrupted runs with just these settings wrote, by caption file; empty if there are none."""
        return self.history.unfinished(settings)

    def busy(self) -> bool:
        """Whether somebody writes in the folder at this moment."""
        try:
            handle = _open(self.folder / JOURNAL_FILE, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(handle)
        finally:
            os.close(handle)


class JournalWriter:
    """A folder's journal while it is locked for one run or one undo. Failures to write are CaptionErrors."""

    def __init__(self, folder: Path, handle: int, disk: Disk) -> None:
        self.folder = folder
        self.history = History()
        self.problems: list[str] = []
        self._handle, self._disk = handle, disk
        self._torn = not _read(handle, self.history, self.problems)

    def begin(self, settings: Mapping[str, Scalar]) -> None:
        """Start a run, or go on with an interrupted one that had the same settings."""
        if not self.history.goes_on(settings):
            since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            self._append(Begin(settings, Owner(os.getpid(), platform.node(), since)))

    def record(self, write: Write) -> None:
        """Note a write that is about to happen."""
        self._append(write)

    def finish(self) -> None:
        """Nothing is left to do: the next run with these settings starts anew."""
        self._append(Finish())

    def undone(self, kept: int) -> None:
        """The last run was taken back, but for `kept` caption files."""
        self._append(Undo(kept))

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the journal could ever be wanted again."""
        return not (self.history.count() or self.history.kept or self.problems)

    def _append(self, entry: Entry) -> None:
        line = (b"\n" if self._torn else b"") + line_of(entry)
        before = os.fstat(self._handle).st_size
        try:
            self._disk.append(self._handle, line)
        except OSError as error:
            self._torn = not _cut(self._handle, before) or self._torn
            raise CaptionError(f"Cannot write in {self.folder}: {error.strerror or error}.") from error
        self._torn = False
        self.history.take(entry)


@contextmanager
def open_journal(folder: Path, disk: Disk = DISK) -> Iterator[JournalWriter]:
    """The folder's journal, locked and ready to be added to; it is removed at the end if nothing in it is
    needed.

    FolderBusy if somebody else has it; CaptionError if it cannot be written or is a link.
    """
    path = folder / JOURNAL_FILE
    handle = _locked(path, disk)
    try:
        journal = JournalWriter(folder, handle, disk)
        yield journal
        if journal.is_empty:
            with suppress(OSError):  # it does no harm where it is
                disk.remove(path)
    finally:
        os.close(handle)


def _locked(path: Path, disk: Disk) -> int:
    """The journal opened, made where there is none, and locked."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            raise CaptionError(f"Cannot write in {path.parent}: {error.strerror or error}.") from error
        try:
            if not _lock_soon(handle):
                raise FolderBusy(_busy(path))
            if _is_there_alone(handle, path):
                return handle
            if os.fstat(handle).st_nlink > 1:  # another name elsewhere, a backup's perhaps: that one stays
                disk.write(path, path.read_bytes())
                disk.settle(path.parent)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # removed by whoever had the lock before us, or exchanged just now: once more


def _lock_soon(handle: int) -> bool:
    """Try a few times, since somebody may only be looking whether the folder is busy."""
    for _ in range(5):
        if try_lock(handle):
            return True
        time.sleep(0.03)
    return False


def _is_there_alone(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`, and has no second name."""
    try:
        ours, there = os.fstat(handle), path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(ours, there) and ours.st_nlink <= 1


def _open(path: Path, flags: int) -> int:
    """Open a journal that is a file and no link; FileNotFoundError and other OSErrors as os.open's."""
    advice = f"{path} is {{what}}, and no journal is kept there: move it away first."
    if path.is_symlink():
        raise CaptionError(advice.format(what="a link"))
    try:
        handle = os.open(path, flags | _FLAGS, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink() or path.is_dir():
            raise CaptionError(advice.format(what="a link or a folder")) from error
        if flags & os.O_CREAT:
            raise
        reason = error.strerror or error
        raise CaptionError(f"{path} cannot be read: {reason}. Move it away to start anew.") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CaptionError(advice.format(what="no file"))
    return handle


def _read(handle: int, history: History, problems: list[str]) -> bool:
    """Take every line, name those that say nothing; whether the last one has its end."""
    if os.fstat(handle).st_size > MAX_BYTES:
        raise CaptionError(f"{JOURNAL_FILE} is above {MAX_BYTES // 2**20} MB: move it away to start anew.")
    whole = True
    with open(handle, "rb", closefd=False) as stream:
        for number, line in enumerate(stream, start=1):
            whole = line.endswith(b"\n")
            if line.strip():
                try:
                    history.take(entry_of(line))
                except ValueError as error:
                    problems.append(f"Line {number} of {JOURNAL_FILE} is passed over: {error}.")
    return whole


def _cut(handle: int, size: int) -> bool:
    """Take a line that was begun off again; whether that went well."""
    try:
        os.ftruncate(handle, size)
    except OSError:
        return False
    return True


def _busy(path: Path) -> str:
    owner = next((run.owner for run in reversed(Journal(path.parent).history.runs) if not run.finished), None)
    who = ""
    if owner is not None and owner.process:
        who = f" (process {owner.process} on {owner.machine}, since {owner.since})"
    return f"Another run or undo is writing captions in {path.parent}{who}: wait for it, or stop it first."
