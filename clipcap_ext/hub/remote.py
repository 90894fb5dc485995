"""What the Hub says of a repository at one commit: its files, sizes and checksums. Plain data; it asks
nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipcap_ext.engine.checkpoint.checksums import git_blob_id
from clipcap_ext.errors import DownloadError
from clipcap_ext.files import file_sha256

NAME_LENGTH = 200  # characters of a path that is still believed


@dataclass(frozen=True)
class RemoteFile:
    """One file. sha256 is set for what the Hub keeps in LFS, blob_id (git's digest) for all else."""

    path: str
    size: int
    sha256: str = ""
    blob_id: str = ""

    @property
    def checksum(self) -> str:
        """For people: `SHA-256 1ce1...`."""
        return f"SHA-256 {self.sha256}" if self.sha256 else f"git blob id {self.blob_id}"

    def matches(self, file: Path) -> bool:
        """Whether the file on disk is this one, byte for byte."""
        if file.stat().st_size != self.size:
            return False
        if self.sha256:
            return file_sha256(file) == self.sha256
        return bool(self.blob_id) and git_blob_id(file) == self.blob_id


@dataclass(frozen=True)
class Listing:
    """A repository at a commit."""

    repo: str
    commit: str
    files: Mapping[str, RemoteFile]

    @classmethod
    def of(cls, repo: str, said: Mapping[str, Any]) -> Listing:
        """From JSON; DownloadError for a file name that points out of the folder, or no answer of the Hub's
        kind."""
        try:
            files = [RemoteFile(**one) for one in said["files"]]
            commit = str(said["commit"])
        except (KeyError, TypeError) as error:
            raise DownloadError(f"The list of files of {repo} makes no sense: {error!r}.") from error
        for file in files:
            check_path(file.path, repo)
        return cls(repo, commit, {file.path: file for file in files})

    def to_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return {"commit": self.commit, "files": [vars(file) for file in self.files.values()]}

    def file(self, path: str) -> RemoteFile:
        """The file at `path`; DownloadError lists what there is."""
        if path not in self.files:
            there = ", ".join(sorted(self.files)) or "nothing"
            raise DownloadError(
                f"{self.repo} has no file {path} at commit {self.commit[:12]}; it holds {there}."
            )
        return self.files[path]


def check_path(path: str, repo: str) -> None:
    """DownloadError unless `path` is a plain relative path that stays inside its folder on every system."""
    parts = path.split("/")
    odd = any(part in ("", ".", "..") or part.endswith((" ", ".")) for part in parts)
    if odd or len(path) > NAME_LENGTH or set(path) & set('\\:*?"<>|\0') or PurePosixPath(path).is_absolute():
        raise DownloadError(f"{repo} names a file {path!r}, which is no plain path inside a folder: refused.")
