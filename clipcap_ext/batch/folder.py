"""Captions for a folder of pictures, as caption files beside them: plan, then run. It never changes a
picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.batch.captioning import BATCH_SIZE, CaptionImages, Outcome, caption_files
from clipcap_ext.batch.journal import Journal, Write
from clipcap_ext.batch.sidecar import EXTENSIONS, read_sidecar, sidecar_of
from clipcap_ext.batch.wording import Wording, bare
from clipcap_ext.errors import CaptionError, UsageError
from clipcap_ext.files import write_whole


@dataclass(frozen=True)
class FolderTask:
    """What is asked for. `note` (the model and its decoding, say) tells one run from another when it goes
    on."""

    folder: Path
    wording: Wording = field(default_factory=Wording)
    recursive: bool = False
    extension: str = ".txt"
    note: str = ""

    def __post_init__(self) -> None:
        if self.extension not in EXTENSIONS:
            raise UsageError(f"The extension must be one of {', '.join(EXTENSIONS)}, not {self.extension!r}.")
        if not self.folder.is_dir():
            raise UsageError(f"There is no folder {self.folder}.")

    def settings(self) -> dict[str, Any]:
        """What makes two runs the same."""
        return {"extension": self.extension, "note": self.note, **asdict(self.wording)}


@dataclass(frozen=True)
class PlannedFile:
    """One picture: where its caption goes and, unless it is to be written, why not. `old` is the text there
    now."""

    image: Path
    sidecar: Path
    old: str | None = None
    skip: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    """Every picture of the folder; `collisions` are caption files that two pictures want, in words."""

    task: FolderTask
    files: tuple[PlannedFile, ...]
    collisions: tuple[str, ...] = ()

    @property
    def to_write(self) -> list[PlannedFile]:
        """The pictures that will be captioned."""
        return [one for one in self.files if not one.skip and not one.problem]


@dataclass(frozen=True)
class FileResult:
    """One picture after a run: `state` is done, skipped or failed, `text` what was written or why not."""

    image: Path
    state: str
    text: str


def folder_from_text(text: str) -> Path:
    """A folder as people paste it: blanks, quotes and ~ are taken care of; UsageError if it is empty."""
    text = text.strip()
    for quote in ('"', "'"):
        if len(text) > 1 and text.startswith(quote) and text.endswith(quote):
            text = text[1:-1].strip()
    if not text:
        raise UsageError("No folder was named.")
    return Path(text).expanduser()


def plan_folder(task: FolderTask) -> Plan:
    """Look at every picture and caption file of the folder; writes nothing and opens no picture."""
    from clipcap_ext.engine.images.finding import find_images

    before = Journal(task.folder).unfinished(task.settings())
    owners: dict[Path, Path] = {}
    files, collisions = [], []
    for image in find_images([task.folder], recursive=task.recursive):
        sidecar = sidecar_of(image, task.extension)
        owner = owners.setdefault(sidecar, image)
        if owner != image:
            collisions.append(f"{owner.name} and {image.name} share {sidecar.name}")
            files.append(PlannedFile(image, sidecar, skip=f"{sidecar.name} belongs to {owner.name}"))
        else:
            files.append(_planned(image, sidecar, task, before))
    return Plan(task, tuple(files), tuple(collisions))


def run_plan(
    plan: Plan, caption_images: CaptionImages, *, batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[FileResult]:  # fmt: skip
    """Caption and write what the plan says, yielding each picture's result; skipped ones come first.

    Interrupted (stopped, closed, killed), it leaves whole files, and the same task goes on where this one
    ended. Raises CaptionError if the folder cannot be written or the model fails again and again.
    """
    for one in plan.files:
        if one.problem:
            yield FileResult(one.image, "failed", one.problem)
        elif one.skip:
            yield FileResult(one.image, "skipped", one.skip)
    todo = {one.image: one for one in plan.to_write}
    journal = Journal(plan.task.folder)
    if todo:
        journal.begin(plan.task.settings())
    for outcome in caption_files(list(todo), caption_images, batch_size=batch_size, stopped=stopped):
        yield _write(todo.pop(outcome.path), outcome, plan.task, journal)
    if plan.to_write and not todo:
        journal.finish()


def _planned(image: Path, sidecar: Path, task: FolderTask, before: Mapping[str, Write]) -> PlannedFile:
    try:
        old = read_sidecar(sidecar)
    except CaptionError as error:
        if task.wording.policy == "skip":
            return PlannedFile(image, sidecar, skip=f"{sidecar.name} is there")
        return PlannedFile(image, sidecar, problem=str(error))
    written = before.get(sidecar.relative_to(task.folder).as_posix())
    if written is not None and written.new == old:
        return PlannedFile(image, sidecar, old, skip="written before the interruption")
    if old is not None and task.wording.policy == "skip":
        return PlannedFile(image, sidecar, old, skip=f"{sidecar.name} is there")
    if bare(old) and task.wording.policy == "only-empty":
        return PlannedFile(image, sidecar, old, skip=f"{sidecar.name} is not empty")
    return PlannedFile(image, sidecar, old)


def _write(planned: PlannedFile, outcome: Outcome, task: FolderTask, journal: Journal) -> FileResult:
    if outcome.caption is None:
        return FileResult(planned.image, "failed", outcome.problem)
    try:
        if read_sidecar(planned.sidecar) != planned.old:
            return FileResult(
                planned.image, "failed", f"{planned.sidecar.name} changed meanwhile, so it is left alone"
            )
        text = task.wording.compose(outcome.caption.text, planned.image, planned.old)
        journal.record(Write(planned.sidecar.relative_to(task.folder).as_posix(), planned.old, text))
        write_whole(planned.sidecar, text)
    except OSError as error:
        reason = f"{planned.sidecar.name} cannot be written: {error.strerror or error}"
        return FileResult(planned.image, "failed", reason)
    return FileResult(planned.image, "done", text)
