"""The runs that a folder's journal tells of, oldest first, as a stack to undo; it reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clipcap_ext.batch.entry import Begin, Entry, Finish, Owner, Scalar, Undo, Write


@dataclass
class PastRun:
    """One run: what it was asked, who did it, what it wrote. `finished`: nothing is left of it to do."""

    settings: Mapping[str, Scalar] = field(default_factory=dict)
    owner: Owner = field(default_factory=Owner)
    writes: list[Write] = field(default_factory=list)
    finished: bool = False

    @property
    def files(self) -> int:
        """How many caption files it wrote."""
        return len({write.sidecar for write in self.writes})

    @property
    def asked(self) -> str:
        """Its settings in a line: the policy, the model with its decoding, and what else was set."""
        settings = {name: str(value) for name, value in self.settings.items() if value != ""}
        said = ", ".join([settings.pop("policy", ""), settings.pop("note", "")]).strip(", ")
        return said + "".join(f", {name} {value!r}" for name, value in sorted(settings.items()))


@dataclass
class History:
    """Every run that was not undone yet; `kept` counts the caption files that undoing left as edited."""

    runs: list[PastRun] = field(default_factory=list)
    kept: int = 0

    def take(self, entry: Entry) -> None:
        """Go on by one line of the journal."""
        if isinstance(entry, Begin):
            self.runs.append(PastRun(entry.settings, entry.owner))
        elif isinstance(entry, Write):
            if not self.runs:  # its beginning was on a damaged line
                self.runs.append(PastRun(finished=True))
            self.runs[-1].writes.append(entry)
        elif isinstance(entry, Finish):
            self._finish()
        elif isinstance(entry, Undo):
            self._undo(entry)

    def last(self) -> PastRun | None:
        """The run that the next undo takes back: the last that wrote anything."""
        return next((run for run in reversed(self.runs) if run.writes), None)

    def count(self) -> int:
        """How many runs can be undone."""
        return sum(bool(run.writes) for run in self.runs)

    def unfinished(self, settings: Mapping[str, Scalar]) -> dict[str, Write]:
        """What runs with just these settings wrote that still have something left to do, by caption file."""
        return {
            write.sidecar: write
            for run in self.runs
            if not run.finished and run.settings == settings
            for write in run.writes
        }

    def goes_on(self, settings: Mapping[str, Scalar]) -> bool:
        """Whether the last run has these settings and was interrupted, so that what comes next belongs to
        it."""
        return bool(self.runs) and not self.runs[-1].finished and self.runs[-1].settings == settings

    def _finish(self) -> None:
        if self.runs:
            for run in self.runs:
                run.finished |= run.settings == self.runs[-1].settings

    def _undo(self, entry: Undo) -> None:
        while self.runs and not self.runs.pop().writes:
            pass
        self.kept += entry.kept
