"""Remembers, in one small file of the models folder, which commit a revision was resolved to, and what it
holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.errors import DownloadError
from clipcap_ext.files import write_json
from clipcap_ext.foreign_json import read_json_file
from clipcap_ext.hub.listing import Listing, RemoteFile

FORMAT = "clipcap-ext-hub-1"


@dataclass(frozen=True)
class Pins:
    """`path`: pins.json. Each call reads it anew, so two processes see each other's."""

    path: Path

    def listing(self, repo: str, revision: str) -> Listing | None:
        """What was found at `revision`, None if it was never asked for; DownloadError if the file is
        spoilt."""
        pinned = self._read()["repos"].get(f"{repo}@{revision}")
        return None if pinned is None else Listing.of(repo, pinned)

    def keep(self, revision: str, listing: Listing) -> None:
        """Remember a listing; OSError where the folder cannot be written."""
        pins = self._read()
        pins["repos"][f"{listing.repo}@{revision}"] = listing.to_json()
        write_json(self.path, pins)

    def is_verified(self, repo: str, file: RemoteFile, at: Path) -> bool:
        """Whether the file `at` was found right before and has not changed since."""
        return self._read()["verified"].get(f"{repo}/{file.path}") == _state(file, at)

    def set_verified(self, repo: str, file: RemoteFile, at: Path) -> None:
        """Remember that the file `at` is right, so that it is not read whole again."""
        pins = self._read()
        pins["verified"][f"{repo}/{file.path}"] = _state(file, at)
        write_json(self.path, pins)

    def forget(self, repo: str) -> None:
        """Drop all that is known of a repository."""
        pins = self._read()
        pins["repos"] = {key: pinned for key, pinned in pins["repos"].items() if key.split("@")[0] != repo}
        pins["verified"] = {
            key: state for key, state in pins["verified"].items() if not key.startswith(f"{repo}/")
        }
        write_json(self.path, pins)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"format": FORMAT, "repos": {}, "verified": {}}
        what_to_do = "Delete it; it is made again."
        pins = read_json_file(self.path, DownloadError, what_to_do)
        tables = [pins, pins.get("repos"), pins.get("verified")] if isinstance(pins, dict) else [pins]
        if not all(isinstance(table, dict) for table in tables) or pins.get("format") != FORMAT:
            raise DownloadError(f'{self.path} is not ours: its "format" is not "{FORMAT}". {what_to_do}')
        return pins


def _state(file: RemoteFile, at: Path) -> list[Any]:
    stat = at.stat()
    return [file.sha256 or file.blob_id, stat.st_size, stat.st_mtime_ns]
