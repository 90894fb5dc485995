"""Which models there are: the bundled ones, those in a user's folders, and those that can be fetched.

Names, paths and what is wrong with what cannot be used; no torch, no weights, no network.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED, default_models_dir, models_folders
from clipcap_ext.engine.clip.sources import HUB_FOLDER, find_clip
from clipcap_ext.engine.folder_kinds import OF_OTHERS, config_of, is_model, problem_to_fetch
from clipcap_ext.engine.hub_name import model_name, repo_of
from clipcap_ext.engine.image_to_text.families import lacking_of
from clipcap_ext.engine.own_kinds import OWN_KINDS_LACK
from clipcap_ext.engine.published.models_json import FILE as OWN_FILE
from clipcap_ext.engine.published.models_json import OwnModel, read_own_models
from clipcap_ext.engine.published.published_models import (
    IMAGE_TO_TEXT,
    PUBLISHED,
    TAGGER,
    PublishedModel,
    find_published,
)
from clipcap_ext.engine.tag_options import TAGGERS_LACK
from clipcap_ext.errors import CheckpointError, ModelNotFound
from clipcap_ext.files import recover_folder, tidy

ENCODER_CONFIG_FILE = "open_clip_config.json"
WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
# the captioner of A1111's Interrogate and of its descendants', in their models folder, as ours is
WEBUI_BLIP, WEBUI_BLIP_FILE = "webui-blip", Path("BLIP", "model_base_caption_capfilt_large.pth")


@dataclass(frozen=True)
class ModelEntry:
    """One captioner that can be asked for by name. `problem` says why it cannot be used, empty if it can.

    file: weights in a published form, which the folder is made from on first use. about: what is known of it
    besides.
    """

    name: str
    folder: Path
    config: CheckpointConfig | None
    problem: str = ""
    file: Path | None = None
    about: PublishedModel | None = None

    def usable_config(self) -> CheckpointConfig:
        """Its config; CheckpointError, which says why, where there is none to use."""
        if self.config is None:
            raise CheckpointError(f"The model {self.name} cannot be used: {self.problem}")
        return self.config

    @property
    def lacking(self) -> Mapping[str, str]:
        """The decoding options that its kind does not have, and why."""
        if self.config is None:
            return {}
        if self.config.kind == TAGGER:
            return TAGGERS_LACK
        return (
            lacking_of(self.config.model["family"]) if self.config.kind == IMAGE_TO_TEXT else OWN_KINDS_LACK
        )

    @property
    def size(self) -> int:
        """Bytes on disk."""
        if self.folder.is_dir():
            return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())
        return self.file.stat().st_size if self.file is not None and self.file.is_file() else 0


def list_models(*, folders: Sequence[Path] = ()) -> list[ModelEntry]:
    """The bundled captioners, then those in each of `folders` (default: the default one), by name; a broken
    one is listed with its problem."""
    entries: list[ModelEntry] = []
    for root in (BUNDLED, *models_folders(folders)):
        if root.is_dir():
            entries += _in_folder(root)
    return entries


def list_to_fetch(*, folders: Sequence[Path] = ()) -> list[PublishedModel]:
    """The published captioners that are not in `folders`: the known ones, then those of each models.json."""
    here = {entry.name for entry in list_models(folders=folders)}
    own = [entry.about for folder in models_folders(folders) for entry in _own(folder)]
    models = [*PUBLISHED, *OF_OTHERS, *(about for about in own if about and about.repo)]
    return [model for model in models if model.name not in here]


def is_ready(entry: ModelEntry, *, folders: Sequence[Path] = ()) -> bool:
    """Whether it captions with what is on this disk."""
    if entry.config is None or entry.problem:
        return False
    encoder = entry.config.encoder
    if encoder is None:
        return True
    try:
        if encoder.pretrained:
            return find_clip(encoder, folders=folders) is not None
        return find_encoder_folder(encoder.model, entry.folder, folders=folders).is_dir()
    except CheckpointError:
        return False


def find_model(name_or_path: str | Path, *, folders: Sequence[Path] = ()) -> ModelEntry:
    """The entry for a name, a checkpoint folder or a file of weights; ModelNotFound lists the names there
    are.

    CheckpointError for a published model that is not on this disk: how to fetch it.
    """
    path = Path(name_or_path).expanduser()
    recover_folder(path)
    entries, repo = list_models(folders=folders), repo_of(str(name_or_path))
    for entry in entries:
        if entry.name == (model_name(repo) if repo else str(name_or_path)):
            return entry
    if repo:
        how = command_for(f"download {name_or_path}", folders=folders)
        raise CheckpointError(f"{name_or_path} is not on this disk. Fetch it: {how}")
    if is_model(path):
        return _entry(path)
    if path.is_file():
        return _file_entry(path, path.parent)
    if path.is_dir():
        raise CheckpointError(f"No checkpoint in {path}: {CONFIG_FILE} not found there.")
    to_fetch = list_to_fetch(folders=folders)
    for model in to_fetch:
        if model.name == str(name_or_path):
            raise CheckpointError(how_to_fetch(model, folders=folders))
    names = [entry.name for entry in entries]
    near = difflib.get_close_matches(str(name_or_path), [*names, *(model.name for model in to_fetch)], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ModelNotFound(
        f"No model named {str(name_or_path)!r} and no folder of that name.{hint} Known: "
        f"{', '.join(names) or 'none'}."
    )


def how_to_fetch(model: PublishedModel, *, folders: Sequence[Path] = ()) -> str:
    """What to say of a published model that is not here."""
    if problem := problem_to_fetch(model):
        return f"{model.name} is not on this disk, and could not be used here. {problem}"
    size = f" ({model.size / 1e6:.0f} MB)" if model.size else ""
    if not model.repo:
        place = models_folders(folders)[0]
        return (
            f"{model.name}{size} is not on this disk, and its authors publish it where only a browser can "
            f"fetch it (see CLIP_prefix_caption's README). Save its file as {place / (model.name + '.pt')}."
        )
    return (
        f"{model.name}{size} is not on this disk. Press Download in the Models pane, "
        f"or run: {command_for(f'download {model.name}', folders=folders)}"
    )


def command_for(asked: str, *, folders: Sequence[Path] = ()) -> str:
    """What to type for `words`, a command and its arguments, to be done where models are looked for here."""
    place = models_folders(folders)[0]
    chosen = "" if place == default_models_dir() else f" --models-dir {shlex.quote(str(place))}"
    return f"python -m clipcap_ext {asked}{chosen}"


def find_encoder_folder(name: str, beside: Path, *, folders: Sequence[Path] = ()) -> Path:
    """The folder of an encoder of ours: beside the checkpoint that asks for it, bundled, or in one of
    `folders`."""
    looked = [root / name for root in (beside, beside.parent, BUNDLED, *models_folders(folders))]
    for folder in looked:
        recover_folder(folder)
        if (folder / ENCODER_CONFIG_FILE).is_file():
            return folder
    places = ", ".join(str(folder) for folder in looked)
    raise ModelNotFound(
        f"The encoder {name!r} is not here; looked in {places}. Put its folder in one of them."
    )


def _in_folder(root: Path) -> Iterator[ModelEntry]:
    """What lies in a models folder, by name, then what its models.json adds."""
    from clipcap_ext.engine.published.files import source_file_name
    from clipcap_ext.engine.published.inspection import unconverted_files

    tidy(root)
    names = [
        path for path in sorted(root.iterdir()) if not path.name.startswith(".") and path.name != HUB_FOLDER
    ]
    checkpoints = {path: _entry(path) for path in names if is_model(path)}
    files = unconverted_files(root)
    stale = {
        file.with_suffix("") for file in files if source_file_name(_config(checkpoints, file)) == file.name
    }
    for path in names:
        if path in checkpoints and path not in stale:
            yield checkpoints[path]
        elif path in files:
            yield _file_entry(path, root, taken=path.with_suffix("") in set(checkpoints) - stale)
        elif path.is_dir() and path not in stale and _is_half(path):
            why = (
                f"{path} holds weights and no {CONFIG_FILE}, so it is no checkpoint. "
                f"Put the file itself into {root}."
            )
            yield ModelEntry(path.name, path, None, why)
    try:
        own = read_own_models(root)
    except CheckpointError as error:
        yield ModelEntry(OWN_FILE, root / OWN_FILE, None, str(error))
        return
    yield from (entry for model in own for entry in _own_entry(model, root))
    blip = root.parent / WEBUI_BLIP_FILE
    if blip.is_file() and not (root / WEBUI_BLIP / CONFIG_FILE).is_file():
        yield _file_entry(blip, root, WEBUI_BLIP)


def _config(checkpoints: dict[Path, ModelEntry], file: Path) -> CheckpointConfig | None:
    """The config of the folder that a file would become, None if there is none."""
    entry = checkpoints.get(file.with_suffix(""))
    return None if entry is None else entry.config


def _own_entry(own: OwnModel, root: Path) -> Iterable[ModelEntry]:
    """An entry of models.json that is on this disk, or should be."""
    if own.folder is not None:
        return [_entry(own.folder, own.name)]
    if own.file is None or (root / own.name / CONFIG_FILE).is_file():
        return []  # on the Hub, or already converted and listed as a folder
    return [_file_entry(own.file, root, own.name, own.about)]


def _own(folder: Path) -> list[OwnModel]:
    try:
        return read_own_models(folder)
    except CheckpointError:
        return []  # list_models says so


def _is_half(folder: Path) -> bool:
    """Whether a folder holds weights and nothing that explains them."""
    if (folder / ENCODER_CONFIG_FILE).is_file():
        return False
    return any(path.suffix in WEIGHTS for path in folder.iterdir())


def _entry(folder: Path, name: str = "") -> ModelEntry:
    name = name or folder.resolve().name
    try:
        config = config_of(folder)
        return ModelEntry(name, folder, config, about=find_published(name, (*PUBLISHED, *OF_OTHERS)))
    except CheckpointError as error:
        return ModelEntry(name, folder, None, str(error))


def _file_entry(
    file: Path, root: Path, name: str = "", about: PublishedModel | None = None, taken: bool = False
) -> ModelEntry:
    """A file of weights, judged by some kilobytes of it. taken: a checkpoint of another origin has its
    name."""
    from clipcap_ext.engine.published.files import known_parts
    from clipcap_ext.engine.published.inspection import planned_config

    name = name or file.stem
    about = about or next((model for model in PUBLISHED if name in (model.name, Path(model.file).stem)), None)
    folder = root / name
    if taken:
        return ModelEntry(
            file.name, folder, None, f"{file} becomes {folder}, which is another model: rename one.", file
        )
    if not file.is_file():
        return ModelEntry(name, folder, None, f"{file} is not there.", file, about)
    try:
        config = planned_config(file, known_parts(about, folders=[root]))
        return ModelEntry(name, folder, config, "", file, about)
    except CheckpointError as error:
        return ModelEntry(name, folder, None, str(error), file, about)
