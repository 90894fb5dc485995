"""Our own account of what was downloaded: a small file a model or repository in <models folder>/hub/records.

It says which files a download put into which folder; a model's own files are never asked what may be deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.engine.clip.sources import HUB_FOLDER
from clipcap_ext.engine.published.models_json import REPO
from clipcap_ext.errors import DownloadError
from clipcap_ext.files import write_json
from clipcap_ext.foreign_json import expect, read_json_file
from clipcap_ext.hub.listing import check_path

FORMAT = "clipcap-ext-download-1"
FOLDER = "records"  # under the hub folder; a repository's own has "--" in its name
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,200}", re.ASCII)
State = tuple[int, int]  # bytes, time of change in nanoseconds


@dataclass(frozen=True)
class Record:
    """What one download wrote. folder: where, below the models folder. files: path in it -> State."""

    folder: Path
    repo: str
    files: Mapping[str, State] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """Where they were put."""
        return [self.folder / path for path in self.files]

    def unchanged(self) -> list[str]:
        """The files that lie there as they were downloaded."""
        return [path for path, state in self.files.items() if state_of(self.folder / path) == state]


@dataclass(frozen=True)
class Records:
    """The records of one models folder. Writing needs the lock of what is written about (`Store.alone`)."""

    models_dir: Path

    def of_model(self, name: str) -> Record | None:
        """What was downloaded as the model `name`; None if nothing was. DownloadError for a spoilt record."""
        return self._read(name, "model", self.models_dir / name)

    def of_repo(self, repo: str) -> Record | None:
        """What was downloaded of a repository and is kept as it came."""
        name = folder_name(repo)
        return self._read(name, "repo", self.models_dir / HUB_FOLDER / name)

    def keep_model(self, name: str, repo: str, made: Path | None = None) -> None:
        """Remember that all that is in the folder of the model `name` was downloaded from `repo`.

        made: where it still is, about to be renamed."""
        folder = made or self.models_dir / name
        paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        record = Record(self.models_dir / name, repo, _states(folder, paths))
        self._write(self._path(name, "model"), record)

    def add_file(self, repo: str, path: str, part: Path | None = None) -> None:
        """Remember one more file of a repository; it may be `part` still, about to be renamed."""
        folder = self.models_dir / HUB_FOLDER / folder_name(repo)
        known, state = self.of_repo(repo), state_of(part or folder / path)
        files = {**(known.files if known else {}), **({path: state} if state else {})}
        self._write(self._path(folder_name(repo), "repo"), Record(folder, repo, files))

    def forget_model(self, name: str) -> None:
        """Drop the record of a model; nothing for what is no model's name."""
        if NAME.fullmatch(name):
            self._path(name, "model").unlink(missing_ok=True)

    def forget_repo(self, repo: str) -> None:
        """Drop the record of a repository."""
        self._path(folder_name(repo), "repo").unlink(missing_ok=True)

    def _path(self, name: str, kind: str) -> Path:
        return self.models_dir / HUB_FOLDER / FOLDER / f"{name}.{kind}.json"

    def _read(self, name: str, kind: str, folder: Path) -> Record | None:
        if not NAME.fullmatch(name):
            return None
        path = self._path(name, kind)
        if not path.is_file():
            return None
        by_hand = f"Nothing is removed: delete {path}, and what you do not want of {folder}, by hand."
        return _record_of(read_json_file(path, DownloadError, by_hand), folder, f"{by_hand} Its")

    def _write(self, path: Path, record: Record) -> None:
        write_json(path, {"format": FORMAT, "repo": record.repo, "files": dict(record.files)})


def folder_name(repo: str) -> str:
    """`owner/name` -> `owner--name`."""
    return repo.replace("/", "--")


def state_of(path: Path) -> State | None:
    """A file's size and time of change; None for what is no file, a link above all."""
    try:
        stat = path.lstat()
    except OSError:
        return None
    return None if path.is_symlink() or not path.is_file() else (stat.st_size, stat.st_mtime_ns)


def _states(folder: Path, paths: Iterable[str]) -> dict[str, State]:
    states = {path: state_of(folder / path) for path in paths}
    return {path: state for path, state in states.items() if state is not None}


def _record_of(entry: Any, folder: Path, where: str) -> Record:
    table = expect(entry, dict, f"{where} record", DownloadError)
    repo = expect(table.get("repo"), str, f"{where} repo", DownloadError)
    if table.get("format") != FORMAT or not REPO.fullmatch(repo):
        raise DownloadError(f"{where} format is not {FORMAT}, or its repo is not OWNER/NAME.")
    files: dict[str, State] = {}
    for path, state in expect(table.get("files"), dict, f"{where} files", DownloadError).items():
        if not isinstance(state, list) or [type(number) for number in state] != [int, int]:
            raise DownloadError(f"{where} files are not paths with bytes and time of change each.")
        _check_path(path, where)
        files[path] = (state[0], state[1])
    return Record(folder, repo, files)


def _check_path(path: str, where: str) -> None:
    try:
        check_path(path, "It")
    except DownloadError as error:
        raise DownloadError(f"{where} files leave its folder. {error}") from error
