"""Taking runs back, the last one first: each caption file is again what it was, unless somebody edited it
since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.batch.disk import DISK, Disk
from clipcap_ext.batch.entry import Write
from clipcap_ext.batch.journal import Journal, open_journal
from clipcap_ext.batch.settling import Settling
from clipcap_ext.batch.sidecar import NotACaption, read_sidecar, real_place
from clipcap_ext.errors import CaptionError, UsageError


@dataclass(frozen=True)
class Fate:
    """What became of one caption file: restored, kept (edited or deleted since, so left alone), refused (it
    leads out of the folder) or failed, with the reason."""

    what: str
    reason: str = ""


@dataclass(frozen=True)
class Undone:
    """What became of the caption files of the runs that were undone, by their paths below the folder.

    runs: how many were taken back; left: how many can still be. A run with a failed file stays, so that it
    can be undone again once that is put right. problems: damaged lines of the journal, in words.
    """

    fates: dict[str, Fate]
    runs: int = 0
    left: int = 0
    problems: tuple[str, ...] = ()

    def names(self, what: str) -> list[str]:
        """The caption files of that fate."""
        return sorted(name for name, fate in self.fates.items() if fate.what == what)

    @property
    def restored(self) -> int:
        """How many caption files are as they were."""
        return len(self.names("restored"))


def undo(folder: Path, runs: int | None = 1, disk: Disk = DISK) -> Undone:
    """Take back the last `runs` runs of a folder (None: all). Interrupted, it can be called again.

    UsageError if there is no such folder, FolderBusy while somebody writes there, CaptionError if the journal
    cannot be read or written.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    before = Journal(folder)
    if not before.can_undo:  # also where nothing may be written
        return Undone({}, problems=tuple(before.problems))
    fates: dict[str, Fate] = {}
    count = 0
    with open_journal(folder, disk) as journal:
        while (last := journal.history.last()) is not None and (runs is None or count < runs):
            outcome = _take_back(folder, last.writes, disk)
            fates.update(outcome)
            if any(fate.what == "failed" for fate in outcome.values()):
                break
            journal.undone(sum(fate.what != "restored" for fate in outcome.values()))
            count += 1
        return Undone(fates, count, journal.history.count(), tuple(journal.problems))


def _take_back(folder: Path, writes: Sequence[Write], disk: Disk) -> dict[str, Fate]:
    fates: dict[str, Fate] = {}
    files = Settling(disk)
    for write in reversed(writes):
        try:
            fates[write.sidecar] = Fate(_put_back(folder, write, files))
        except OSError as error:
            fates[write.sidecar] = Fate("failed", error.strerror or str(error))
        except CaptionError as error:
            fates[write.sidecar] = Fate("failed", str(error))
    files.settle()
    return fates


def _put_back(folder: Path, write: Write, files: Settling) -> str:
    place = real_place(folder / write.sidecar, folder)
    if place is None:
        return "refused"
    try:
        now = read_sidecar(place)
    except NotACaption:
        return "kept"
    if now == write.old:  # a crash came before the write, or in the middle of an undo
        return "restored"
    if now != write.new:
        return "kept"
    if write.old is None:
        files.disk.remove(place)
    else:
        files.write(place, write.old)
    return "restored"
