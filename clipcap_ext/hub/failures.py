"""What to tell a person whose download failed: what, why, what to do, and how to place the files by hand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.errors import DownloadError
from clipcap_ext.hub.client import HubFailure

DEFAULT_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True)
class Missing:
    """One file that did not come: where it is published, where it belongs, and its checksum if that is
    known."""

    repo: str
    revision: str
    path: str
    target: Path
    checksum: str = ""

    def by_hand(self) -> str:
        """How to place it without us."""
        root = endpoint()
        page = f"{root}/{self.repo}/blob/{self.revision}/{self.path}"
        check = f"check its {self.checksum}" if self.checksum else f"check it against the SHA-256 on {page}"
        return (
            f"fetch {root}/{self.repo}/resolve/{self.revision}/{self.path}, {check}, save it as {self.target}"
        )


def endpoint() -> str:
    """The Hub that is asked."""
    return os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")


def download_error(what: str, why: str, missing: Iterable[Missing]) -> DownloadError:
    """`why` ends with what to do; then comes how to do without us."""
    lines = [f"{what} could not be downloaded: {why}"]
    lines += [f"By hand: {file.by_hand()}." for file in missing]
    return DownloadError("\n".join(lines))


def reason_of(failure: HubFailure, repo: str, folder: Path) -> str:
    """Why, and what to do, in one or two sentences."""
    if failure.kind == "offline":
        return "HF_HUB_OFFLINE is set and the files are not on this disk. Unset it, or place them by hand."
    if failure.kind == "http":
        return _http_reason(failure, repo)
    if failure.kind == "answer":
        return (
            f"{endpoint()} answered with something that is not the Hub's ({failure}). A proxy, a login page "
            "or a mirror may stand between: open it in a browser, check HTTPS_PROXY and HF_ENDPOINT, then "
            "try again."
        )
    if failure.kind == "disk":
        return disk_reason(failure.errno, folder, str(failure))
    return (
        f"no connection to {endpoint()}. Check the network, HTTPS_PROXY and HF_ENDPOINT, then try again: "
        f"what has arrived is kept. huggingface_hub said: {failure}."
    )


def disk_reason(number: int, folder: Path, text: str) -> str:
    """The disk does not take it."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full. Free some space or choose another folder, then try again."
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{folder} cannot be written to ({text}). Allow it, or choose another folder."
    return f"{folder} could not be written ({text})."


def _http_reason(failure: HubFailure, repo: str) -> str:
    page, status = f"{endpoint()}/{repo}", failure.status
    if failure.gated:
        return (
            f"{repo} is gated ({status}). Accept its terms on {page}, "
            "then set HF_TOKEN to a token of that account."
        )
    if status == 401:
        return (
            f"{endpoint()} wants to know who asks (401). Check the name {repo}, "
            "or set HF_TOKEN if it is private."
        )
    if status == 403:
        return f"this account may not read {repo} (403). Check HF_TOKEN, or ask for access on {page}."
    if status == 404:
        return (
            f"{endpoint()} has no such repository, revision or file in {repo} (404). "
            f"Look at {page} for what there is."
        )
    if status == 429:
        wait = f" in {failure.wait} seconds" if failure.wait.isdigit() else " in some minutes"
        return (
            f"{endpoint()} has had too many requests from here (429). "
            f"Try again{wait}; a token (HF_TOKEN) helps."
        )
    if status >= 500:
        return f"{endpoint()} has trouble of its own ({status}). Try again later: what has arrived is kept."
    return f"{endpoint()} answered {status} ({failure}). Look at {page}."
