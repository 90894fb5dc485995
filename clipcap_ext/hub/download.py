"""From a model's name to a checkpoint folder that captions: weights, vocabulary, encoder, each only if
missing. Fetching and checking files is store.py's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from clipcap_ext.engine.catalog import (
    ModelEntry,
    command_for,
    find_model,
    how_to_fetch,
    list_models,
    list_to_fetch,
)
from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, EncoderConfig, read_config
from clipcap_ext.engine.clip.sources import OPEN_CLIP_FILE, find_clip, hub_repo
from clipcap_ext.engine.folder_kinds import OF_OTHERS
from clipcap_ext.engine.hub_name import model_name, repo_of
from clipcap_ext.engine.published.conversion import convert_file
from clipcap_ext.engine.published.files import ensure_folder, known_parts
from clipcap_ext.engine.published.inspection import inspect_file
from clipcap_ext.engine.published.layout import PublishedLayout
from clipcap_ext.engine.published.parts import GPT2_VOCABULARY, find_gpt2, find_tokenizer
from clipcap_ext.engine.published.published_models import (
    GPT2_REPO,
    TOKENIZER_FILES,
    PublishedModel,
    find_published,
)
from clipcap_ext.errors import CheckpointError, DownloadError
from clipcap_ext.files import put_in_place, write_folder
from clipcap_ext.hub.client import HubClient
from clipcap_ext.hub.listing import Listing
from clipcap_ext.hub.repository import fetch_repository
from clipcap_ext.hub.store import Store, Wanted

OUR_FILES = (
    CONFIG_FILE,
    "model.safetensors",
    "vocab.json",
    "merges.txt",
    "README.md",
    "labels.json",
    "trained_on.json",
)
GPT2_FILES = ("model.safetensors", *TOKENIZER_FILES)
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
ORIGIN = "hub"  # in config.json's training: the repository, commit and file it was downloaded from
Say = Callable[[str], None]


@dataclass(frozen=True)
class Download:
    """Fetches into one models folder. `say` is told each step in a few words; the client, how far a file
    is."""

    models_dir: Path
    client: HubClient
    say: Say = lambda text: None

    def __call__(self, name: str, revision: str = "") -> Path:
        """Make the model of that name ready; returns its folder. A name MODEL/TAG is a CLIP of open_clip's,
        alone; hf:OWNER/NAME is an image-to-text model as transformers saves it, or a tagger.

        revision: ask the Hub where that is now, and pin it; else what was pinned, else the model's own.
        Raises DownloadError, Cancelled, ModelNotFound, or CheckpointError for weights that cannot be used.
        """
        store, repo = Store(self.models_dir, self.client), repo_of(name) or _known_repo(name)
        if repo:
            with store.alone(f"{model_name(repo)}.model"):
                return fetch_repository(store, repo, revision, self.say)
        if "/" in name and not Path(name).exists():
            model, _, tag = name.partition("/")
            return self._encoder(EncoderConfig(model, tag))
        with store.alone(f"{Path(name).name}.model"):
            folder = self._model(store, name, revision)
        self._needed_encoder(folder)
        return folder

    def _model(self, store: Store, name: str, revision: str) -> Path:
        to_fetch = {model.name: model for model in list_to_fetch(folders=[self.models_dir])}
        here = next((entry for entry in list_models(folders=[self.models_dir]) if entry.name == name), None)
        if here is None and name in to_fetch:
            return self._published(store, to_fetch[name], revision)
        entry = here or find_model(name, folders=[self.models_dir])
        if entry.problem:
            raise CheckpointError(f"The model {entry.name} cannot be used: {entry.problem}")
        record = store.records.of_model(name)
        if record is not None and record.folder == entry.folder:
            store.clear(record.repo)  # where the download ended before it could
        if revision and entry.about is not None and entry.about.repo:
            how = command_for(f"models --remove {name}", folders=[self.models_dir])
            raise DownloadError(f"{name} is here already. Remove it first: {how}")
        return entry.folder if entry.file is None else self._from_file(store, entry)

    def _published(self, store: Store, model: PublishedModel, revision: str) -> Path:
        if not model.repo:
            raise DownloadError(how_to_fetch(model, folders=[self.models_dir]))
        folder = self.models_dir / model.name
        if folder.exists() or folder.is_symlink():
            raise CheckpointError(f"{folder} is there and holds no model: move it away, then try again.")
        self.say(f"Downloading {model.name} from {model.repo}")
        wanted = Wanted(
            model.repo, model.name, (model.file,) if model.file else (),
            None if model.file else chooser(model), revision or model.revision,
        )  # fmt: skip
        files = store.ensure(wanted, copies=1, renew=bool(revision))
        pinned = store.pins.listing(model.repo, wanted.revision)
        origin = {"repo": model.repo, "commit": pinned.commit if pinned else "", "files": sorted(files)}
        with store.making(model.name) as made:
            if model.file or model.kind == "sbg":
                weights = next(
                    path for name, path in files.items() if name == model.file or path.name in WEIGHTS
                )
                self._convert(store, weights, made, model, origin)
            else:
                copy_checkpoint(files, made, origin)
            # noted first: a folder that is there and not noted counts as a person's own
            store.records.keep_model(model.name, model.repo, made)
            put_in_place(made, folder)
        store.clear(model.repo)
        return folder

    def _convert(
        self, store: Store, weights: Path, folder: Path, model: PublishedModel, origin: Mapping[str, object]
    ) -> None:
        beside = all((weights.parent / name).is_file() for name in TOKENIZER_FILES)
        if not beside and model.tokenizer:
            self._fetch_gpt2(store, model.gpt2, model.tokenizer)
        parts = known_parts(model, folders=[self.models_dir])
        tokenizer = (
            weights.parent if beside else store.path_of(model.tokenizer, "") if model.tokenizer else None
        )
        self.say(f"Converting {model.name}")
        known = replace(
            parts, tokenizer=tokenizer, gpt2=parts.gpt2 if model.gpt2 else None,
            training={**parts.training, ORIGIN: dict(origin)},
        )  # fmt: skip
        convert_file(weights, folder, known)

    def _from_file(self, store: Store, entry: ModelEntry) -> Path:
        """A file that somebody put there: what it lacks is fetched, then it is converted."""
        assert entry.file is not None
        layout = inspect_file(entry.file)
        if isinstance(layout, PublishedLayout):
            self._fetch_lacking(store, entry, layout)
        self.say(f"Converting {entry.name}")
        return ensure_folder(entry.file, entry.folder, entry.about, folders=[self.models_dir])

    def _fetch_lacking(self, store: Store, entry: ModelEntry, layout: PublishedLayout) -> None:
        assert entry.file is not None
        parts = known_parts(entry.about, folders=[self.models_dir])
        try:
            find_tokenizer(entry.file, layout.vocab_size or GPT2_VOCABULARY, parts.tokenizer)
            if not layout.tuned:
                find_gpt2(entry.file, layout.n_embd, parts.gpt2)
        except CheckpointError:
            self._fetch_gpt2(store, not layout.tuned, GPT2_REPO)

    def _fetch_gpt2(self, store: Store, whole: bool, repo: str) -> None:
        self.say("Downloading GPT-2" if whole else "Downloading the vocabulary")
        store.ensure(
            Wanted(
                repo, "GPT-2" if whole else "The vocabulary", GPT2_FILES if whole else tuple(TOKENIZER_FILES)
            )
        )

    def _needed_encoder(self, folder: Path) -> None:
        config = find_model(folder, folders=[self.models_dir]).config
        encoder = config.encoder if config is not None else None
        if encoder is not None and encoder.pretrained:
            self._encoder(encoder)

    def _encoder(self, encoder: EncoderConfig) -> Path:
        """The published CLIP that a model reads pictures with, from this disk or the Hub; its folder."""
        here = find_clip(encoder, folders=[self.models_dir])
        if here is not None:
            self.say(f"CLIP {encoder.model} is here: {here.path}")
            return here.path.parent
        name = f"CLIP {encoder.model}/{encoder.pretrained}"
        self.say(f"Downloading {name}")
        store = Store(self.models_dir, self.client)
        return store.ensure(Wanted(hub_repo(encoder), name, (OPEN_CLIP_FILE,)))[OPEN_CLIP_FILE].parent


def _known_repo(name: str) -> str:
    """The repository of a known image-to-text model or tagger, empty for any other name."""
    model = find_published(name, OF_OTHERS)
    return model.repo if model is not None else ""


def chooser(model: PublishedModel) -> Callable[[Listing], list[str]]:
    """What to take from a repository whose files are not known beforehand."""

    def choose(listing: Listing) -> list[str]:
        folder, weights = weights_folder(listing) if model.kind == "sbg" else ("", "model.safetensors")
        names = (weights, *TOKENIZER_FILES) if model.kind == "sbg" else OUR_FILES
        paths = [folder + name for name in names if folder + name in listing.files]
        return paths if model.kind == "sbg" else [*dict.fromkeys([CONFIG_FILE, weights, *paths])]

    return choose


def weights_folder(listing: Listing) -> tuple[str, str]:
    """(folder with its slash, file) of a transformers model: at the root, else in the first folder that has
    one."""
    places = sorted(
        {str(PurePosixPath(path).parent) for path in listing.files},
        key=lambda place: (place.count("/"), place),
    )
    prefixes = ["", *(f"{place}/" for place in places if place != ".")]
    for prefix in prefixes:
        for name in WEIGHTS:
            if prefix + name in listing.files and f"{prefix}config.json" in listing.files:
                return prefix, name
    there = ", ".join(sorted(listing.files))
    raise DownloadError(
        f"{listing.repo} holds no config.json with {' or '.join(WEIGHTS)} beside it; it holds {there}."
    )


def copy_checkpoint(files: Mapping[str, Path], folder: Path, origin: Mapping[str, object]) -> None:
    """A checkpoint folder of ours from its files; CheckpointError, and nothing written, if it is none."""
    with write_folder(folder) as partial:
        for name, path in files.items():
            shutil.copyfile(path, partial / name)
        config = read_config(partial)
        config = replace(config, training={**config.training, ORIGIN: dict(origin)})
        (partial / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
