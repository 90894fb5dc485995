"""Pictures in a folder and a captioner that says how red each is: what the tests of folder runs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.run import FileResult, run_plan
from clipcap_ext.caption import Candidate, Caption
from clipcap_ext.captioning import Captioning


def shade(image: Image.Image) -> int:
    """How red a picture is."""
    return image.convert("RGB").getpixel((0, 0))[0]


def at_once(say: Callable[[Sequence[Image.Image]], Sequence[Caption]]) -> Captioning:
    """A captioner that sees pictures as they are: all of its work is saying."""
    return Captioning(lambda images: images, say)


def say_red(images: Sequence[Image.Image]) -> list[Caption]:
    """How red each picture is."""
    texts = [f"red {shade(image)} ." for image in images]
    return [Caption(text, "fake", (Candidate(text, -1.0),)) for text in texts]


captions = at_once(say_red)


def picture(path: Path, red: int) -> Path:
    """A picture that is so red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (red, 0, 0)).save(path)
    return path


def run(task: FolderTask, **options: object) -> list[FileResult]:
    """Plan and carry out."""
    return list(run_plan(plan_folder(task), captions, **options))


def contents(folder: Path) -> dict[str, bytes]:
    """Every caption file below a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in (".txt", ".caption"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}
