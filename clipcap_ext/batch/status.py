"""How far a folder is: pictures with and without captions, the runs that can be undone, whether one goes
on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.history import PastRun
from clipcap_ext.batch.journal import Journal
from clipcap_ext.batch.wording import bare


@dataclass(frozen=True)
class FolderStatus:
    """captioned, empty and missing count pictures by their caption files; problems are theirs and the
    journal's, in words. runs: those that can be undone, oldest first. busy: somebody writes there now."""

    captioned: int
    empty: int
    missing: int
    problems: tuple[str, ...]
    runs: tuple[PastRun, ...]
    busy: bool

    @property
    def pictures(self) -> int:
        """How many pictures a caption file could be written for."""
        return self.captioned + self.empty + self.missing

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, in the terminal and over REST."""
        counts = {name: getattr(self, name) for name in ("pictures", "captioned", "empty", "missing", "busy")}
        return {**counts, "runs": [_run(run) for run in self.runs], "problems": list(self.problems)}


def status_of(task: FolderTask) -> FolderStatus:
    """Look at a folder as `task` would; CaptionError if it or its journal cannot be read."""
    journal = Journal(task.root)
    plan = plan_folder(task)
    own = [file for file in plan.files if not file.problem and file.rival_of is None and file.picture]
    missing = sum(file.held is None for file in own)
    empty = sum(file.held is not None and file.old is not None and not bare(file.old) for file in own)
    problems = (*(file.problem for file in plan.files if file.problem), *plan.collisions, *plan.damages)
    return FolderStatus(len(own) - missing - empty, empty, missing, problems, journal.runs, journal.busy())


def _run(run: PastRun) -> dict[str, Any]:
    return {
        "since": run.owner.since,
        "caption_files": run.files,
        "finished": run.finished,
        "settings": dict(run.settings),
    }
