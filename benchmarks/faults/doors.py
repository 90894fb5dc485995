"""The doors that write, each with what must hold after a fault and after the next undisturbed run. It hurts
nobody."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from clipcap_ext.batch.folder import FolderTask, plan_folder
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import Wording
from clipcap_ext.caption import Candidate, Caption
from clipcap_ext.captioning import Captioning

OWN = {"a": "my own words", "b": "", "c": "line one\u2028line two"}  # what a person wrote; d has nothing


class Door(ABC):
    """One kind of writing in a folder of its own. `lost` and `doubled` name what must never be."""

    name = ""

    @abstractmethod
    def prepare(self, root: Path) -> None:
        """Lay the state before."""

    @abstractmethod
    def act(self, root: Path) -> None:
        """The work that is hurt, and the next run of which must end well."""

    @abstractmethod
    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        """What is lost or doubled now."""

    @abstractmethod
    def wrong_after_next(self, root: Path) -> Iterator[str]:
        """What is lost, doubled, stray or not done after the next run."""


def caption_images(images: Sequence[Image.Image]) -> list[Caption]:
    """A captioner that names a picture by its colour."""
    texts = [f"a picture of {image.convert('RGB').tobytes()[0]}" for image in images]
    return [Caption(text, "fake", (Candidate(text, 0.0),)) for text in texts]


class FolderRun(Door):
    """Captions appended to what people wrote; the next run of the same task adds nothing twice."""

    name = "folder run, append"
    policy = "append"

    def prepare(self, root: Path) -> None:
        for number, stem in enumerate("abcd"):
            Image.new("RGB", (8, 8), (number * 40, 0, 0)).save(root / f"{stem}.png")
            if stem in OWN:
                (root / f"{stem}.txt").write_text(OWN[stem], encoding="utf-8")

    def act(self, root: Path) -> None:
        for _ in run_plan(plan_folder(self.task(root)), Captioning(list, caption_images), batch_size=2):
            pass

    def task(self, root: Path) -> FolderTask:
        return FolderTask(root, Wording(policy=self.policy))

    def texts(self, root: Path) -> dict[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(root.glob("*.txt"))}

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        for stem, text in self.texts(root).items():
            if OWN.get(stem) and not text.startswith(OWN[stem]):
                yield f"lost: {stem}.txt is {text!r}"
            if text.count("a picture of") > 1:
                yield f"doubled: {stem}.txt is {text!r}"
        missing = {stem for stem in OWN if stem not in self.texts(root)}
        if missing:
            yield f"lost: no file for {sorted(missing)}"

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_after_fault(root)
        texts = self.texts(root)
        if any(text.count("a picture of") != 1 for text in texts.values()) or set(texts) != set("abcd"):
            yield f"not done: {texts}"
        yield from strays(root)
        undo(root, None)
        left = self.texts(root)
        if left != OWN:
            yield f"lost: after undo {left}"


class Overwriting(FolderRun):
    """Two overwriting runs over a person's captions, the second hurt; undo must reach the person's own."""

    name = "folder run, overwrite twice"
    policy = "overwrite"

    def prepare(self, root: Path) -> None:
        super().prepare(root)
        first = FolderTask(root, Wording(policy="overwrite", prefix="first: "))
        for _ in run_plan(plan_folder(first), Captioning(list, caption_images)):
            pass

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        for stem, text in self.texts(root).items():
            if text.count("a picture of") != 1:
                yield f"lost or doubled: {stem}.txt is {text!r}"


class Undo(FolderRun):
    """Taking a run back, hurt; called again it ends."""

    name = "undo"

    def prepare(self, root: Path) -> None:
        super().prepare(root)
        FolderRun.act(self, root)

    def act(self, root: Path) -> None:
        undo(root, None)

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        if self.texts(root) != OWN:
            yield f"lost: {self.texts(root)}"
        yield from strays(root)


class Saving(Door):
    """A checkpoint saved over an older one: there is always a whole one."""

    name = "save over a checkpoint"

    def __init__(self, models: Path) -> None:
        self.models = models

    def prepare(self, root: Path) -> None:
        self.save(root, "old")

    def act(self, root: Path) -> None:
        self.save(root, "new")

    def save(self, root: Path, name: str) -> None:
        from dataclasses import replace

        from clipcap_ext.engine.checkpoint.config import read_config
        from clipcap_ext.engine.checkpoint.folder import save_checkpoint
        from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
        from clipcap_ext.engine.clipcap.checkpoint import load_clipcap

        source = self.models / "tiny-clipcap"
        config = replace(read_config(source), name=name)
        model = load_clipcap(source, config)
        save_checkpoint(root / "best", model, load_tokenizer(source), config, card=f"{name}\n")

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        yield from self.wrong_names(root, ("old", "new"))

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_names(root, ("new",))
        yield from strays(root)

    def wrong_names(self, root: Path, names: tuple[str, ...]) -> Iterator[str]:
        from clipcap_ext.engine.checkpoint.config import read_config
        from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
        from clipcap_ext.errors import CaptionError

        try:
            config = read_config(root / "best")
            load_clipcap(root / "best", config)
        except CaptionError as error:
            yield f"lost: {error}"
            return
        card = (root / "best" / "README.md").read_text()
        if config.name not in names or card != f"{config.name}\n":
            yield f"lost: {config.name}, card {card!r}"


class Converting(Door):
    """A published file made into a folder on first use: not there, or whole; the file stays."""

    name = "convert a published file"

    def __init__(self, file: Path, vocabulary: Path) -> None:
        self.file, self.vocabulary = file, vocabulary

    def prepare(self, root: Path) -> None:
        import shutil

        shutil.copyfile(self.file, root / "weights.pt")
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(self.vocabulary / name, root / name)

    def act(self, root: Path) -> None:
        from clipcap_ext.engine.published.conversion import ensure_converted

        ensure_converted(root / "weights.pt")

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        if (root / "weights.pt").read_bytes() != self.file.read_bytes():
            yield "lost: the published file changed"
        if (root / "weights").exists():
            yield from self.wrong_folder(root)

    def wrong_folder(self, root: Path) -> Iterator[str]:
        from clipcap_ext.engine.checkpoint.config import read_config
        from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
        from clipcap_ext.errors import CaptionError

        try:
            load_clipcap(root / "weights", read_config(root / "weights"))
        except CaptionError as error:
            yield f"half-written: {error}"

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_folder(root)
        yield from strays(root, ".weights.lock")


class Shards(Door):
    """A shard of features written again: the old one or the new one, and the manifest whole."""

    name = "features, a shard again"

    def prepare(self, root: Path) -> None:
        self.write(root, 1.0)

    def act(self, root: Path) -> None:
        self.write(root, 2.0)

    def write(self, root: Path, value: float) -> None:
        import torch

        from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row
        from clipcap_ext.engine.checkpoint.config import EncoderConfig

        manifest = Manifest(EncoderConfig("a", "b", True), "print", 4, 1, ("x.tar",))
        folder = FeatureFolder.create(root / "features", manifest)
        folder.write(
            0, "1", torch.full((3, 1, 4), value), [Row(f"{n}", "f", (f"{value}",)) for n in range(3)], []
        )

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        yield from self.wrong_values(root, (1.0, 2.0))

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        yield from self.wrong_values(root, (2.0,))
        yield from strays(root / "features")

    def wrong_values(self, root: Path, values: tuple[float, ...]) -> Iterator[str]:
        from clipcap_ext.corpus.feature_folder import FeatureFolder
        from clipcap_ext.errors import CaptionError

        try:
            folder = FeatureFolder.open(root / "features")
            folder.infos()
            found = {float(value) for value in folder.features(0).unique()}
            rows = {float(row.captions[0]) for row in folder.rows(0)}
        except CaptionError as error:
            yield f"lost: {error}"
            return
        if found != rows or len(found) != 1 or not found <= set(values):
            yield f"mixed: features {found}, captions {rows}"


class Json(Door):
    """A small table of ours written again."""

    name = "a JSON file again"

    def prepare(self, root: Path) -> None:
        self.write(root, "old")

    def act(self, root: Path) -> None:
        self.write(root, "new")

    def write(self, root: Path, value: str) -> None:
        from clipcap_ext.files import write_json

        write_json(root / "pins.json", {"value": value * 3000})

    def found(self, root: Path) -> Any:
        try:
            return json.loads((root / "pins.json").read_text())["value"][:3]
        except (OSError, ValueError) as error:
            return repr(error)

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        if self.found(root) not in ("old", "new"):
            yield f"lost: {self.found(root)}"

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        if self.found(root) != "new":
            yield f"lost: {self.found(root)}"
        yield from strays(root)


def strays(root: Path, *allowed: str) -> Iterator[str]:
    """Unfinished files that nobody is going to finish."""
    for path in sorted(root.rglob("*")):
        if path.name.endswith((".part", ".old", ".tmp")) and path.name not in allowed:
            yield f"stray: {path.relative_to(root)}"
