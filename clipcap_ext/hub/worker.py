"""The process that talks to the Hub, through huggingface_hub alone: lists a repository or fetches one file of
it.

A process of its own, so that a download can be ended at once however the network hangs, and so that nothing
it sets reaches the WebUI. It reads JSON requests from stdin, a line each, answers each with one JSON line,
and ends when stdin is closed, so it never outlives who started it. Files come by plain HTTP into a `.part`
file that a later call goes on with; the client's own cache keeps no part files in its newest versions, and
Xet cannot go on where it stopped.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO, cast

CHUNK = 1 << 18  # bytes written at a time: what is lost when the connection is cut
LIST_TIMEOUT = 30.0  # seconds
LIBRARY = "clipcap-ext"
NONSENSE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)  # what a page or null in place of a list leads to


def main() -> None:
    """Answer requests until stdin is closed."""
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        work: dict[str, Callable[..., dict[str, Any]]] = {"list": list_files, "fetch": fetch_file}
        try:
            answer = work[request.pop("do")](**request)
        except Exception as error:
            answer = {"error": failure_of(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def list_files(repo: str, revision: str) -> dict[str, Any]:
    """The commit that `revision` is at, and every file's size and checksum: one request."""
    from huggingface_hub import HfApi

    info = HfApi(library_name=LIBRARY).model_info(
        repo, revision=revision, files_metadata=True, timeout=LIST_TIMEOUT
    )
    files = []
    for sibling in info.siblings or []:
        lfs: Mapping[str, Any] = sibling.lfs or {}
        size = lfs["size"] if lfs else sibling.size  # None where the Hub does not say
        files.append(
            {
                "path": sibling.rfilename,
                "size": size,
                "sha256": lfs.get("sha256", ""),
                "blob_id": sibling.blob_id or "",
            }
        )
    return {"commit": info.sha, "files": files}


def fetch_file(repo: str, commit: str, path: str, part: str, size: int) -> dict[str, Any]:
    """Bring `part` to `size` bytes, going on with what it already holds."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    url = hf_hub_url(repo, path, revision=commit)
    headers = build_hf_headers(library_name=LIBRARY)
    with open(part, "ab") as file:
        if file.tell() > size:
            file.truncate(0)
            file.seek(0)
        begun = file.tell()
        stream = cast(BinaryIO, Bounded(file, size, path))
        try:
            http_get(url, stream, resume_size=begun, headers=headers, expected_size=size)
        except TooLong:
            if not begun:
                raise
            # a server that knows no ranges sent the whole file behind what was there: once more, from nothing
            http_get(url, stream, resume_size=0, headers=headers, expected_size=size)
    return {"done": path}


class TooLong(Exception):
    """A body that goes on behind the length that the Hub's own list gives."""


class Bounded:
    """A file to write to, up to a length; all else is the file's own."""

    def __init__(self, file: IO[bytes], size: int, path: str) -> None:
        self._file, self._size, self._path = file, size, path

    def write(self, data: bytes) -> int:
        """Write, unless that would make the file too long: then empty it, for it cannot be the right one."""
        if self._file.tell() + len(data) > self._size:
            self._file.truncate(0)
            self._file.seek(0)
            raise TooLong(f"{self._path} goes on behind the {self._size} bytes that its list gives")
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def failure_of(error: BaseException) -> dict[str, Any]:
    """What went wrong, in plain data.

    kind: offline, http (with status), disk (with errno), answer (what came is nothing of the Hub's) or
    network.
    """
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    failure: dict[str, Any] = {"kind": "network", "text": f"{type(error).__name__}: {text}"}
    for cause in _causes(error):
        names = {cls.__name__ for cls in type(cause).__mro__}
        response = getattr(cause, "response", None)
        if "OfflineModeIsEnabled" in names:
            return {**failure, "kind": "offline"}
        if response is not None and getattr(response, "status_code", None) is not None:
            wait = response.headers.get("Retry-After", "")
            gated = "GatedRepoError" in names
            return {**failure, "kind": "http", "status": response.status_code, "wait": wait, "gated": gated}
        disk = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EIO}
        if isinstance(cause, OSError) and cause.errno in disk:
            return {**failure, "kind": "disk", "errno": cause.errno}
        if isinstance(cause, (TooLong, *NONSENSE)) and not isinstance(cause, OSError):
            return {**failure, "kind": "answer"}
    return failure


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _listen(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # whoever started us has gone, or wants no more


if __name__ == "__main__":
    main()
