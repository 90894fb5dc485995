"""The weights of a row: published ones that are here, a finished run, or a run trained now; it scores
nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.corpus.feature_folder import is_feature_folder
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE
from clipcap_ext.engine.published.inspection import read_origin
from clipcap_ext.engine.published.published_models import find_published
from clipcap_ext.errors import CaptionError, CheckpointError
from clipcap_ext.files import write_json
from clipcap_ext.reproduce.parts import (
    LANGUAGE_MODEL,
    Part,
    checksum,
    encoder_part,
    gpt2_part,
    is_language_folder,
    language_part,
    wrong_parts,
)
from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import GPT2, SMOLLM2, Recipe, recipes
from clipcap_ext.reproduce.stand_in import stand_in, stand_in_labels, write_gpt2

Say = Callable[[str], None]
PARTS = "parts.json"
FEATURES = "features"  # in a data set's folder, the features of its training part
HUB_ORIGIN = "hub"  # where config.json's training says the repository that a download came from
CURVE = ("epoch", "step", "loss", "train_loss", "val_loss", "cider")


@dataclass(frozen=True)
class Weights:
    """A captioner, and what is known of its training: hours of steps, the rows of its log, and the encoder
    and language model it was made of."""

    model: str
    hours: float | None = None
    curve: tuple[dict[str, float], ...] = ()
    parts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Workshop:
    """What trainings and scores need: the data set and its photos, where things are kept, cached features,
    GPT-2's BPE for the stand-in; for a smoke run the number of images and further settings. lm: the folder of
    the language model of rows that take another than GPT-2."""

    data: Path
    places: Places
    cache: Path | None = None
    gpt2_bpe: Path | None = None
    say: Say = lambda line: None
    images: Path | None = None
    device: str = "auto"
    limit: int | None = None
    settings: tuple[str, ...] = ()
    lm: Path = Path(SMOLLM2)

    def weights(self, recipe: Recipe, seed: int) -> Weights:
        """Find the row's weights or train them; CheckpointError says what is not here."""
        if recipe.published and (here := published_here(recipe.published)):
            return Weights(here, parts=published_parts(here))
        folder = self.places.run(recipe, seed)
        if not is_finished(folder):
            if recipe.weights_of:
                raise CheckpointError(
                    f"The row takes its weights from the table {recipe.weights_of}: make that first."
                )
            self._train(recipe, seed, folder)
        return Weights(str(folder / "best"), _hours(folder), tuple(_curve(folder)), _kept_parts(folder))

    def _train(self, recipe: Recipe, seed: int, folder: Path) -> None:
        from clipcap_ext.train.run import train

        if not self.places.stand_in:
            for part in wrong_parts(recipe):
                self.say(f"{recipe.run} will not be called reproduced: it needs {part}")
        assignments = [self._resolved(text, recipe, seed) for text in recipe.assignments]
        data, words = self._training_data()
        assignments += [*self.settings, *words]
        assignments += [f"device={self.device}"] if self.device == "cpu" else []
        cache = self.cache or self.places.features
        self.say(f"training {recipe.run}, seed {seed}, into {folder}")
        train(
            recipe.preset, data, folder, assignments=[*assignments, f"seed={seed}"],
            resume=folder.is_dir(), cache=cache, say=self.say,
        )  # fmt: skip
        if not is_finished(folder):
            raise CaptionError(f"The training in {folder} was stopped: the same command goes on with it.")
        if not self.places.stand_in or recipe.language != GPT2:
            write_json(folder / PARTS, [part.to_json() for part in trained_parts(folder)])

    def _training_data(self) -> tuple[Path, list[str]]:
        """What to train on, and the settings that it takes: the data set, or the feature folder of its
        training part where one lies in it."""
        if is_feature_folder(self.data / FEATURES):
            return self.data / FEATURES, []
        words = [f"limit={self.limit}"] if self.limit else []
        return self.data, [*words, *([f"images={self.images}"] if self.images else [])]

    def _resolved(self, assignment: str, recipe: Recipe, seed: int) -> str:
        name, _, value = assignment.partition("=@")
        if value == "gpt2":
            return f"{name}={write_gpt2(self.places.gpt2(seed), self._bpe(), seed)}"
        if value == "gradient":
            (gradient,) = recipes(recipe.table.name, "gradient")
            return f"{name}={self.weights(stand_in(gradient), seed).model}"
        if value == "lm":
            return f"{name}={self._language_model(recipe)}"
        if value == "labels":
            return f"{name}={self._labels(recipe)}"
        return assignment

    def _labels(self, recipe: Recipe) -> Path:
        if self.places.stand_in:
            return stand_in_labels()
        path = self.places.labels(recipe.table.name)
        if not path.is_file():
            raise CheckpointError(f"SBG's label bank {path} is not made yet.")
        return path

    def _language_model(self, recipe: Recipe) -> Path:
        if not is_language_folder(self.lm):
            raise CheckpointError(
                f"{self.lm} holds no language model: name the folder of {recipe.language} by --lm."
            )
        return self.lm

    def _bpe(self) -> Path:
        if self.gpt2_bpe is not None:
            return self.gpt2_bpe
        from clipcap_ext.train.clipcap.module import gpt2_folder

        return gpt2_folder("gpt2")


def published_parts(name: str) -> tuple[dict[str, Any], ...]:
    """Of published weights: the encoder by its file, the language model by the file they were made of, which
    is the published one where it was downloaded from its repository."""
    entry, known = find_model(name), find_published(name)
    assert entry.config is not None  # published_here said so
    hub = entry.config.training.get(HUB_ORIGIN)
    repo = hub.get("repo") if isinstance(hub, dict) else None
    sha256 = str(read_origin(entry.folder).get("sha256") or checksum(entry.folder / WEIGHTS_FILE))
    fetched = known is not None and bool(known.repo) and repo == known.repo
    model = Part(LANGUAGE_MODEL, f"of {name}", sha256, fetched)
    return encoder_part(entry.config.clip).to_json(), model.to_json()


def trained_parts(folder: Path) -> list[Part]:
    """What a finished training was made of; without a language model only the encoder."""
    from clipcap_ext.train.beginning import CONFIG_FILE
    from clipcap_ext.train.clipcap.module import gpt2_folder

    config = find_model(folder / "best").config
    settings = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    gpt2, lm = settings.get("gpt2", ""), settings.get("lm", "")
    parts = [encoder_part(config.clip)] if config is not None else []
    if lm:
        return [*parts, language_part(Path(lm))]
    return [*parts, gpt2_part(gpt2_folder(gpt2))] if gpt2 not in ("", "scratch") else parts


def _kept_parts(folder: Path) -> tuple[dict[str, Any], ...]:
    file = folder / PARTS
    return tuple(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else ()


def published_here(name: str) -> str:
    """The catalogue's name if its weights are on this disk, else nothing."""
    try:
        entry = find_model(name)
    except CheckpointError:
        return ""
    return name if entry.config is not None and not entry.problem else ""


def is_finished(folder: Path) -> bool:
    """Whether the training in `folder` came to its end."""
    if not (folder / "state.pt").is_file():
        return False
    from clipcap_ext.train.loop.state import load_state

    return load_state(folder)[0].finished


def _hours(folder: Path) -> float:
    from clipcap_ext.train.loop.state import load_state

    return load_state(folder)[0].seconds / 3600


def _curve(folder: Path) -> list[dict[str, Any]]:
    """The run's log: `loss` in rows of steps, the other figures at the end of each epoch."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: round(row[key], 4) for key in CURVE if key in row} for row in rows]
