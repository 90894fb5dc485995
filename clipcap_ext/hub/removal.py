"""What removing a download deletes, told before anything is deleted: files that our own record names, no
others.

A file goes only if it lies below the models folder with no link on the way there, whatever any file says.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.engine.catalog import ModelEntry, find_model, list_models, list_to_fetch
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.clip.sources import hub_repo
from clipcap_ext.engine.hub_name import model_name, repo_of
from clipcap_ext.engine.precision.kept_files import forget_copies
from clipcap_ext.errors import CaptionError, CheckpointError
from clipcap_ext.files import tidy
from clipcap_ext.hub.deletion import check_inside, delete_files
from clipcap_ext.hub.records import Record, Records, folder_name
from clipcap_ext.hub.store import Store


@dataclass(frozen=True)
class Removal:
    """What will go: `files`, `size` bytes, downloaded from `repo`.

    kept: what lies beside them and stays. gone: what was downloaded and is there no more. clip: the CLIP
    (MODEL/TAG) that came with it and stays, if any did, and clip_size its bytes.
    """

    name: str
    models_dir: Path
    folder: Path
    repo: str
    files: tuple[Path, ...]
    size: int
    kept: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    clip: str = ""
    clip_size: int = 0

    def carry_out(self) -> int:
        """Delete the files, and the folders that are empty then; bytes freed. CheckpointError as in
        `plan_removal`."""
        store = Store(self.models_dir)
        with ExitStack() as held:
            for lock in dict.fromkeys([folder_name(f"{self.name}.model"), folder_name(self.repo)]):
                held.enter_context(store.alone(lock))
            freed = delete_files(self.models_dir, (*self.gone, *self.files))
            forget_copies(self.files)
            store.records.forget_model(self.name)
            store.forget(self.repo)
        return freed


def plan_removal(name: str, models_dir: Path) -> Removal:
    """What would go with a model, or a CLIP or repository (MODEL/TAG, OWNER/NAME), that was downloaded here.

    CheckpointError, with what to do, for what was not: bundled models, a user's own, what changed since, and
    whatever a link leads to.
    """
    store, asked = Store(models_dir), repo_of(name)
    name = model_name(asked) if asked else name
    tidy(store.root)
    record = store.records.of_model(name)
    repo = record.repo if record else _repository(name, store.records)
    files = [*store.fetched(repo), *store.made(name), *_files_of_model(record)]
    folder = record.folder if record else store.path_of(repo, "")
    known = record or (store.records.of_repo(repo) if repo else None)
    gone = [path for path in known.paths if not os.path.lexists(path)] if known else []
    # a removal that was killed may have left an empty folder and the record of it
    if not files and not (known and len(gone) == len(known.files) and os.path.lexists(folder)):
        raise CheckpointError(_refusal(name, models_dir, record))
    for path in (*gone, *files):
        check_inside(models_dir, path)
    beside = [path for path in sorted(folder.rglob("*")) if not path.is_dir() and path not in set(files)]
    size = sum(path.lstat().st_size for path in files)
    clip = _clip_beside(name, store)
    return Removal(name, models_dir, folder, repo, tuple(files), size, tuple(beside), tuple(gone), *clip)


def _clip_beside(name: str, store: Store) -> tuple[str, int]:
    """The downloaded CLIP that a model uses, and its bytes; nothing for what is no model here."""
    entries = [entry for entry in list_models(folders=[store.models_dir]) if entry.name == name]
    encoder = entries[0].config.encoder if entries and entries[0].config else None
    if encoder is None or encoder.pretrained != "openai":
        return "", 0
    size = sum(path.lstat().st_size for path in store.fetched(hub_repo(encoder)))
    return (f"{encoder.model}/{encoder.pretrained}" if size else ""), size


def is_downloaded(entry: ModelEntry, models_dir: Path) -> bool:
    """Whether our record says that this model was downloaded into `models_dir`, and it is still that one."""
    try:
        record = Records(models_dir).of_model(entry.name)
    except CaptionError:  # a spoilt record: `plan_removal` says so
        return False
    return record is not None and record.folder == entry.folder and bool(_files_of_model(record))


def _repository(name: str, records: Records) -> str:
    """The repository a name stands for or came from, empty if none is known."""
    if "/" in name:
        if name.count("/") == 1 and records.of_repo(name) is not None:
            return name
        model, _, tag = name.partition("/")
        try:
            return hub_repo(EncoderConfig(model, tag))
        except CheckpointError:  # it is no CLIP, and no repository of which anything is here
            return ""
    published = {model.name: model.repo for model in list_to_fetch(folders=[records.models_dir])}
    return published.get(name, "")


def _files_of_model(record: Record | None) -> list[Path]:
    """All that was downloaded, if the weights, the largest of it, still lie there as they came; else none.

    Our own commands write into config.json and README.md, so those may have changed. The weights come last:
    while they are there, a removal that was interrupted can go on.
    """
    if record is None or not record.files:
        return []
    weights = max(record.files, key=lambda path: record.files[path][0])
    if weights not in record.unchanged():
        return []
    paths = sorted(record.paths, key=lambda path: path == record.folder / weights)
    return [path for path in paths if os.path.lexists(path) and not path.is_dir()]


def _refusal(name: str, models_dir: Path, record: Record | None) -> str:
    if "/" in name:
        return f"{name}: nothing of it was downloaded into {models_dir}, so nothing is removed."
    if record is not None and record.folder.exists():
        return (
            f"{record.folder} is not what was downloaded any more, so it is not removed. Delete that folder "
            "by hand if you do not want it."
        )
    entry = find_model(name, folders=[models_dir])
    if entry.folder.parent == BUNDLED:
        return f"{name} is bundled, so it is not removed."
    place = entry.folder if entry.file is None else entry.file
    return (
        f"{name} was not downloaded by this program, as far as it remembers: it is yours, in {place}, so it "
        "is not removed. Delete that by hand if you do not want it."
    )
