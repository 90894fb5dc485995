"""Which models there are: the bundled ones and those in a user's folders; names and paths, no torch, no weights."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.engine.card import CONFIG_FILE, CheckpointConfig, read_config
from clipcap_ext.errors import CheckpointError, ModelNotFound

BUNDLED = Path(__file__).resolve().parents[1] / "bundled"
ENCODER_CONFIG_FILE = "open_clip_config.json"


@dataclass(frozen=True)
class ModelEntry:
    """One captioner that can be asked for by name. `problem` says why it cannot be used, empty if it can."""

    name: str
    folder: Path
    config: CheckpointConfig | None
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def list_models(*folders: Path) -> list[ModelEntry]:
    """The bundled captioners, then those in each of `folders`, by name; a broken one is listed with its problem."""
    entries: list[ModelEntry] = []
    for root in (BUNDLED, *folders):
        if root.is_dir():
            entries += [_entry(path) for path in sorted(root.iterdir()) if (path / CONFIG_FILE).is_file()]
    return entries


def find_model(name_or_path: str | Path, *folders: Path) -> ModelEntry:
    """The entry for a name or a checkpoint folder; ModelNotFound lists the names there are."""
    path = Path(name_or_path).expanduser()
    entries = list_models(*folders)
    for entry in entries:
        if entry.name == str(name_or_path):
            return entry
    if (path / CONFIG_FILE).is_file():
        return _entry(path)
    if path.is_dir():
        raise CheckpointError(f"No checkpoint in {path}: {CONFIG_FILE} not found there.")
    names = [entry.name for entry in entries]
    near = difflib.get_close_matches(str(name_or_path), names, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ModelNotFound(
        f"No model named {str(name_or_path)!r} and no folder of that name.{hint} Known: {', '.join(names) or 'none'}."
    )


def find_encoder_folder(name: str, beside: Path, *folders: Path) -> Path:
    """The folder of an encoder of ours: beside the checkpoint that asks for it, bundled, or in one of `folders`."""
    looked = [root / name for root in (beside, beside.parent, BUNDLED, *folders)]
    for folder in looked:
        if (folder / ENCODER_CONFIG_FILE).is_file():
            return folder
    places = ", ".join(str(folder) for folder in looked)
    raise ModelNotFound(f"The encoder {name!r} is not here; looked in {places}. Put its folder in one of them.")


def _entry(folder: Path) -> ModelEntry:
    try:
        return ModelEntry(folder.resolve().name, folder, read_config(folder))
    except CheckpointError as error:
        return ModelEntry(folder.resolve().name, folder, None, str(error))
