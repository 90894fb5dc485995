"""What the Hub says of a repository at one commit: its files, sizes and checksums. Plain data; it asks
nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipcap_ext.engine.checkpoint.verified_files import git_blob_id
from clipcap_ext.errors import DownloadError, first_of
from clipcap_ext.files import file_sha256
from clipcap_ext.foreign_json import expect, shown

NAME_LENGTH = 200  # characters of a path that is still believed
MOST_BYTES = 1 << 42  # of a file
COMMIT, SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")


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
    def of(cls, repo: str, table: Any) -> Listing:
        """From JSON; DownloadError for what the Hub never says: no files, no size, no checksum, an odd
        name."""
        where = f"The list of files of {repo}"
        commit = expect(_get(table, "commit", where), str, f"{where}, commit", DownloadError)
        files = expect(_get(table, "files", where), list, f"{where}, files", DownloadError)
        if not COMMIT.fullmatch(commit) or not files:
            raise DownloadError(f"{where} makes no sense: commit {shown(commit)}, {len(files)} files.")
        read = [_file(file, repo, where) for file in files]
        return cls(repo, commit, {file.path: file for file in read})

    def to_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return {"commit": self.commit, "files": [vars(file) for file in self.files.values()]}

    def file(self, path: str) -> RemoteFile:
        """The file at `path`; DownloadError lists what there is."""
        if path not in self.files:
            there = first_of(sorted(self.files), most=40)
            raise DownloadError(
                f"{self.repo} has no file {path} at commit {self.commit[:12]}; it holds {there}."
            )
        return self.files[path]


def _get(table: Any, key: str, where: str) -> Any:
    return expect(table, dict, where, DownloadError).get(key)


def _file(table: Any, repo: str, where: str) -> RemoteFile:
    path = expect(_get(table, "path", where), str, f"{where}, path", DownloadError)
    check_path(path, repo)
    size = expect(table.get("size"), int, f"{where}, size of {path}", DownloadError)
    sha256, blob_id = (
        expect(table.get(name, ""), str, f"{where}, {name} of {path}", DownloadError)
        for name in ("sha256", "blob_id")
    )
    if not 0 <= size <= MOST_BYTES:
        raise DownloadError(f"{where} gives {path} a size of {size} bytes: not believed.")
    if not SHA256.fullmatch(sha256) and (sha256 or not COMMIT.fullmatch(blob_id)):
        raise DownloadError(f"{where} gives no checksum of {path}, so nothing could tell if it is right.")
    return RemoteFile(path, size, sha256, blob_id)


def check_path(path: str, repo: str) -> None:
    """DownloadError unless `path` is a plain relative path that stays inside its folder on every system."""
    parts = path.split("/")
    odd = any(part in ("", ".", "..") or part.endswith((" ", ".")) for part in parts)
    odd = odd or not path.isprintable() or len(path) > NAME_LENGTH
    if odd or set(path) & set('\\:*?"<>|\0') or PurePosixPath(path).is_absolute():
        raise DownloadError(
            f"{repo} names a file {shown(path)}, which is no plain path inside a folder: refused."
        )
