"""The REST routes /clipcap/v1/folder/*: captions beside the pictures of a folder of this machine, as a job.

Only where the host lets its interface name folders. The plan, run, journal and undo of clipcap_ext.batch.
"""

# No `from __future__ import annotations`: fastapi and pydantic 1 read the annotations as they are made.
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from clipcap_ext.batch.folder import FolderTask, folder_from_text, note_of
from clipcap_ext.batch.sidecar import FORMATS
from clipcap_ext.batch.status import status_of
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import POLICIES, Wording
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.judging.tags import FORMS, SENTENCE
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.folder_jobs import FolderJob, FolderJobs

NAMED = 100  # pictures that failed, named with the reason
ChooseModel = Callable[[str, dict[str, Any]], tuple[str, DecodingOptions]]


class FolderCaptionRequest(BaseModel):
    """What POST folder/caption takes."""

    folder: str = Field(..., title="Folder", description="A folder of the machine that serves this.")
    recursive: bool = Field(False, title="With its subfolders")
    extension: str = Field(
        FolderTask.extension, title="Extension", description=f"One of {', '.join(FORMATS)}."
    )
    output: str = Field("", title="Output", description="A folder to write into instead.")
    policy: str = Field(POLICIES[0], title="Policy", description=f"One of {', '.join(POLICIES)}.")
    trigger: str = Field("", title="Trigger word", description="Comes first, and once.")
    prefix: str = Field("", title="Prefix", description="{name} and {folder} stand for the picture's own.")
    suffix: str = Field("", title="Suffix")
    form: str = Field(SENTENCE, title="Form", description=f"One of {', '.join(FORMS)}.")
    model: str = Field("", title="Model", description="Empty is the one of the settings page.")
    options: dict[str, Any] = Field({}, title="Options", description="Decoding options as in POST caption.")


class FolderUndoRequest(BaseModel):
    """What POST folder/undo takes."""

    folder: str = Field(..., title="Folder")
    all: bool = Field(False, title="All", description="Every run, not the last alone.")


class FolderStopRequest(BaseModel):
    """What POST folder/stop takes."""

    folder: str = Field(..., title="Folder")


class JobItem(BaseModel):
    """The last job of a folder since this program was started."""

    state: str = Field(
        ..., title="State", description="waiting, loading, captioning or stopping; done, stopped or failed."
    )
    total: int = Field(..., title="Pictures")
    written: int = Field(..., title="Written")
    skipped: int = Field(..., title="Skipped")
    failed: int = Field(..., title="Failed")
    failures: list[str] = Field(..., title="Failures", description="The first of them, with the reason.")
    problem: str = Field(..., title="Problem", description="Why the whole job failed; else empty.")


class RunItem(BaseModel):
    """A run that can be undone."""

    since: str = Field(..., title="Since")
    caption_files: int = Field(..., title="Caption files")
    finished: bool = Field(..., title="Finished")
    settings: dict[str, Any] = Field(..., title="Settings")


class FolderStatusResponse(BaseModel):
    """How far a folder is."""

    pictures: int = Field(..., title="Pictures")
    captioned: int = Field(..., title="Captioned")
    empty: int = Field(..., title="With an empty caption file")
    missing: int = Field(..., title="Without a caption file")
    busy: bool = Field(..., title="Busy", description="Somebody writes captions there now.")
    runs: list[RunItem] = Field(..., title="Runs", description="Those that can be undone, oldest first.")
    problems: list[str] = Field(..., title="Problems")
    job: JobItem | None = Field(None, title="Job")


class FolderUndoResponse(BaseModel):
    """What became of the caption files of the undone runs."""

    restored: list[str] = Field(..., title="As they were")
    kept: list[str] = Field(..., title="Changed since", description="Left alone.")
    refused: list[str] = Field(..., title="Not of this folder", description="Left alone.")
    failed: list[str] = Field(..., title="Failed", description="Could not be put back, with the reason.")
    runs: int = Field(..., title="Runs undone")
    left: int = Field(..., title="Runs that can still be undone")


def add_folder_routes(router: APIRouter, service: CaptionService, choose: ChooseModel) -> None:
    """Add the routes. `choose` turns the asked model and options into a known model's name and its own."""
    jobs = FolderJobs(service)

    def caption(asked: FolderCaptionRequest) -> JobItem:
        """Write captions beside the pictures of a folder; answers at once, and `status` tells how far it
        is."""
        model, options = choose(asked.model, asked.options)
        return job_item(jobs.start(task_of(asked, note_of(model, options)), model, options))

    def status(
        folder: str, recursive: bool = False, extension: str = FolderTask.extension
    ) -> FolderStatusResponse:
        """How far a folder is: its pictures, the runs that can be undone, the job that captions it."""
        task = FolderTask(folder_from_text(folder), recursive=recursive, extension=extension)
        job = jobs.of(task.root)
        return FolderStatusResponse(
            **sound(status_of(task).to_dict()), job=None if job is None else job_item(job)
        )

    def take_back(asked: FolderUndoRequest) -> FolderUndoResponse:
        """Put caption files back as they were before the last run, or before all of them."""
        undone = undo(folder_from_text(asked.folder), None if asked.all else 1)
        names = {what: undone.names(what) for what in ("restored", "kept", "refused")}
        failed = [f"{name}: {undone.fates[name].reason}" for name in undone.names("failed")]
        return FolderUndoResponse(**sound(names), failed=sound(failed), runs=undone.runs, left=undone.left)

    def stop(asked: FolderStopRequest) -> FolderStopRequest:
        """End a folder's job after the pictures it is at; what is written stays."""
        job = jobs.of(folder_from_text(asked.folder))
        if job is not None:
            job.stop()
        return asked

    add = router.add_api_route
    add("/folder/caption", caption, methods=["POST"], response_model=JobItem)
    add("/folder/status", status, methods=["GET"], response_model=FolderStatusResponse)
    add("/folder/undo", take_back, methods=["POST"], response_model=FolderUndoResponse)
    add("/folder/stop", stop, methods=["POST"], response_model=FolderStopRequest)


def task_of(asked: FolderCaptionRequest, note: str) -> FolderTask:
    """The task that a request describes; UsageError where it describes none."""
    wording = Wording(asked.policy, asked.prefix, asked.suffix, asked.trigger, asked.form)
    output = folder_from_text(asked.output) if asked.output else None
    return FolderTask(folder_from_text(asked.folder), wording, asked.recursive, asked.extension, note, output)


def job_item(job: FolderJob) -> JobItem:
    """A job in the form of the wire."""
    states = job.states
    failures = [f"{result.image}: {result.text}" for result in job.results if result.state == "failed"]
    problem = "" if job.run.error is None else str(job.run.error)
    return JobItem(
        state=job.state, total=len(job.plan.files), written=states["done"], skipped=states["skipped"],
        failed=states["failed"], failures=sound(failures[:NAMED]), problem=sound(problem),
    )  # fmt: skip


def sound(value: Any) -> Any:
    """The same with the odd bytes of file names escaped: JSON over HTTP is UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [sound(part) for part in value]
    return {name: sound(part) for name, part in value.items()} if isinstance(value, dict) else value
