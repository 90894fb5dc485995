"""Folders being captioned for whoever asked over REST: one job a folder, the last one remembered. No
interface."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from clipcap_ext.batch.folder import FolderTask, Plan, plan_folder
from clipcap_ext.batch.journal import FolderBusy
from clipcap_ext.batch.run import FileResult, run_plan
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.service.runs import Run
from clipcap_ext.service.service import CaptionService

MOST = 100  # jobs remembered


class FolderJob:
    """One folder's run, in a thread of its own."""

    def __init__(
        self, service: CaptionService, plan: Plan, model: str, options: DecodingOptions | None
    ) -> None:
        self.plan = plan
        self._service, self._model, self._options = service, model, options
        self.run = Run(self._work, total=len(plan.files))

    @property
    def state(self) -> str:
        """waiting, loading, captioning or stopping; then done, stopped or failed."""
        if not self.run.ended:
            return self.run.stage
        if self.run.error is not None:
            return "failed"
        return "stopped" if self.run.value else "done"

    @property
    def states(self) -> Counter[str]:
        """How many pictures are done, skipped and failed so far."""
        return Counter(result.state for result in self.results)

    @property
    def results(self) -> list[FileResult]:
        """The pictures so far."""
        return list(self.run.results)

    def stop(self) -> None:
        """Ask it to end after the batch it is at; never waits."""
        self.run.stop()

    def _work(self, run: Run) -> bool:
        """Carry the plan out; whether it was stopped."""
        asked = "Captioning", len(self.plan.to_write), self._model, run.set_stage, run.stopping
        with self._service.work(*asked) as work:
            captioning = work.captioning(self._options)
            for result in run_plan(self.plan, captioning, stopped=lambda: work.stopped):
                run.add(result)
                work.step(result.text)
            return work.stopped


class FolderJobs:
    """The jobs by the folder that they write in."""

    def __init__(self, service: CaptionService) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._jobs: dict[Path, FolderJob] = {}

    def start(self, task: FolderTask, model: str, options: DecodingOptions | None) -> FolderJob:
        """Begin; FolderBusy while an earlier job writes there, CaptionError if the folder cannot be read."""
        plan, place = plan_folder(task), task.root.resolve()
        with self._lock:
            before = self._jobs.pop(place, None)
            if before is not None and not before.run.ended:
                self._jobs[place] = before
                raise FolderBusy(f"{task.root} is being captioned: wait for it, or stop it.")
            job = self._jobs[place] = FolderJob(self._service, plan, model, options)
            for old in [name for name, job in self._jobs.items() if job.run.ended][:-MOST]:
                del self._jobs[old]
            return job

    def of(self, folder: Path) -> FolderJob | None:
        """The last job that wrote in a folder."""
        return self._jobs.get(folder.resolve())
