"""A folder of pictures, looked at: which of them get a caption, where it goes, and why others do not. It
writes nothing and opens no picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clipcap_ext.batch.entry import Scalar, Write
from clipcap_ext.batch.history import PastRun
from clipcap_ext.batch.journal import Journal
from clipcap_ext.batch.sidecar import is_infotext, read_sidecar, real_place, sidecar_of, text_of
from clipcap_ext.batch.wording import ADDING, Wording, bare
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.corpus.layouts.caption_files import DEFAULT, FORMATS
from clipcap_ext.engine.images.finding import IMAGE_SUFFIXES, find_images
from clipcap_ext.engine.images.pasted import expand_wildcards, pasted_path, strip_wrapping
from clipcap_ext.engine.judging.tags import SENTENCE
from clipcap_ext.errors import CaptionError, UsageError

MASKS = ("-masklabel", "-condlabel")  # OneTrainer's files beside a picture


@dataclass(frozen=True)
class FolderTask:
    """What is asked for. `output`: a folder to write to instead, in which the tree is the same. `note` (the
    model and its decoding, say) tells one run from another when it goes on."""

    folder: Path
    wording: Wording = field(default_factory=Wording)
    recursive: bool = False
    extension: str = DEFAULT
    note: str = ""
    output: Path | None = None

    def __post_init__(self) -> None:
        if self.extension not in FORMATS:
            raise UsageError(f"The extension must be one of {', '.join(FORMATS)}, not {self.extension!r}.")
        if not self.folder.is_dir():
            raise UsageError(f"There is no folder {self.folder}.")
        if not os.access(self.folder, os.R_OK | os.X_OK):
            raise CaptionError(f"The folder {self.folder} may not be read.")
        if self.output is not None and self.output.exists() and not self.output.is_dir():
            raise UsageError(f"{self.output} is no folder.")

    @property
    def root(self) -> Path:
        """Where caption files and the journal go."""
        return self.output or self.folder

    def settings(self) -> dict[str, Scalar]:
        """What makes two runs the same."""
        source = {} if self.output is None else {"source": str(self.folder.resolve())}
        wording = asdict(self.wording)
        if self.wording.form == SENTENCE:
            del wording["form"]  # as runs were noted before there were others
        return {"extension": self.extension, "note": self.note, **wording, **source}

    def sidecar(self, image: Path) -> Path:
        """The caption file of a picture."""
        return self.root / sidecar_of(image, self.extension).relative_to(self.folder)

    def name(self, sidecar: Path) -> str:
        """A caption file as the journal calls it."""
        return sidecar.relative_to(self.root).as_posix()


@dataclass(frozen=True)
class PlannedFile:
    """One picture: where its caption goes and, unless it is to be written, why not.

    held: what the caption file holds now, None if there is none. rival_of: the picture of the same caption
    file that comes first. picture: False for a mask, or a folder that is not entered.
    """

    image: Path
    sidecar: Path
    held: bytes | None = None
    skip: str = ""
    problem: str = ""
    rival_of: Path | None = None
    picture: bool = True

    @property
    def old(self) -> str | None:
        """The text that is there now; None if there is none or it is not of its form."""
        return text_of(self.held, self.sidecar.suffix)


@dataclass(frozen=True)
class Plan:
    """Every picture of the folder. In words: `collisions`, caption files that two pictures want, and
    `damages`, lines of the journal that were passed over. interrupted: the last run there, if it is not
    finished and had other settings, so that this one does not go on with it."""

    task: FolderTask
    files: tuple[PlannedFile, ...]
    collisions: tuple[str, ...] = ()
    damages: tuple[str, ...] = ()
    interrupted: PastRun | None = None

    @property
    def to_write(self) -> list[PlannedFile]:
        """The pictures that will be captioned."""
        return [file for file in self.files if not file.skip and not file.problem]


def note_of(model: str, options: DecodingOptions) -> str:
    """A FolderTask's note: the model, and how its decoding departs from none."""
    usual = asdict(DecodingOptions())
    return " ".join(
        [model, *(f"{name}={value}" for name, value in asdict(options).items() if value != usual[name])]
    )


def plan_folder(task: FolderTask) -> Plan:
    """Look at every picture and caption file of the folder; CaptionError if it or its journal cannot be
    read."""
    journal = Journal(task.root)
    before = journal.unfinished(task.settings())
    owners: dict[Path, Path] = {}
    files, collisions = [], []
    for image in find_images([task.folder], recursive=task.recursive, stay=True):
        sidecar = task.sidecar(image)
        skip, problem = _no_picture(image)
        owner = image if skip or problem else owners.setdefault(sidecar, image)
        if owner != image:
            collisions.append(f"{owner.name} and {image.name} share {sidecar.name}")
            skip = f"{sidecar.name} belongs to {owner.name}"
            files.append(PlannedFile(image, sidecar, skip=skip, rival_of=owner))
        elif skip or problem:
            files.append(PlannedFile(image, sidecar, skip=skip, problem=problem, picture=False))
        else:
            files.append(_planned(image, sidecar, task, before))
    damages, interrupted = tuple(journal.problems), _interrupted(journal, task)
    return Plan(task, tuple(files), tuple(collisions), damages, interrupted)


def _interrupted(journal: Journal, task: FolderTask) -> PastRun | None:
    last = journal.runs[-1] if journal.runs else None
    if last is None or last.finished or last.settings == task.settings() or journal.busy():
        return None
    return last


def _no_picture(image: Path) -> tuple[str, str]:
    """Why something that was found is no picture to caption, and what is wrong with it; both empty if it may
    be one."""
    if image.stem.lower().endswith(MASKS):
        return "a mask, not a picture", ""
    if image.suffix.lower() in IMAGE_SUFFIXES and not os.path.isdir(image):
        return "", ""
    if os.path.isdir(image) and os.access(image, os.R_OK | os.X_OK):
        return "a link that leads out of the folder", ""
    return "", f"{image.name}: this folder may not be read"


def _planned(image: Path, sidecar: Path, task: FolderTask, before: Mapping[str, Write]) -> PlannedFile:
    if real_place(sidecar, task.root) is None:
        problem = f"{sidecar.name} is a link to something else than a caption file of this folder"
        return PlannedFile(image, sidecar, problem=problem)
    try:
        held = read_sidecar(sidecar)
    except CaptionError as error:
        return PlannedFile(image, sidecar, problem=str(error))
    written = before.get(task.name(sidecar))
    if written is not None and held is not None and (held == written.new or held != written.old):
        return PlannedFile(image, sidecar, held, skip="written before the interruption")
    skip, problem = _reasons(sidecar, held, task.wording.policy)
    return PlannedFile(image, sidecar, held, skip, problem)


def _reasons(sidecar: Path, held: bytes | None, policy: str) -> tuple[str, str]:
    """Why a caption file is to be passed over, and what is wrong with it; both empty if it can be written."""
    name, text = sidecar.name, text_of(held, sidecar.suffix)
    empty = held is None or (text is not None and not bare(text))
    if empty or policy == "overwrite":
        return "", ""
    infotext = text is not None and is_infotext(text)
    if policy not in ADDING:
        there = "is there" if policy == "skip" else "is not empty"
        return f"{name} {'holds generation parameters, no caption' if infotext else there}", ""
    if text is None:
        what = FORMATS[sidecar.suffix].what
        return "", f"{name} is not {what}, so nothing can be added to it: save it as {what} first."
    if infotext:
        return "", (
            f"{name} holds a picture's generation parameters, and a caption added to them would spoil them: "
            "take another extension, or overwrite it."
        )
    return "", ""


def folder_from_text(text: str) -> Path:
    """The folder that a pasted path means; wildcards may stand for one. UsageError if it is empty or they
    stand for several."""
    if not strip_wrapping(text):
        raise UsageError("No folder was named.")
    path = pasted_path(text)
    folders = expand_wildcards(path)
    if len(folders) > 1:
        named = ", ".join(sorted(folder.name for folder in folders)[:5])
        raise UsageError(f"{path} stands for {len(folders)} folders or files ({named} ...): name one folder.")
    return folders[0]
