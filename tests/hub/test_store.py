"""The real huggingface_hub client against a Hub that cuts, lies, refuses and stalls; a file is there whole or
not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import BLOCK, CONTENT, FILE, REPO, FakeHub, sha256

from clipcap_ext.errors import Cancelled, DownloadError
from clipcap_ext.hub import store as store_module
from clipcap_ext.hub.client import HubClient, Progress
from clipcap_ext.hub.store import Store, Wanted
from clipcap_ext.hub.worker import CHUNK

ALL = (FILE, "vocab.json", "deep/merges.txt")
Look = Callable[[Path], None]


def fetch(models: Path, *files: str, client: HubClient | None = None, renew: bool = False) -> dict[str, Path]:
    with client or HubClient() as client:
        return Store(models, client).ensure(Wanted(REPO, "The model", files or (FILE,)), renew=renew)


def parts(models: Path) -> list[Path]:
    return list(models.rglob("*.part"))


def test_files_arrive_whole_and_are_never_asked_for_again(hub: FakeHub, tmp_path: Path) -> None:
    told: list[Progress] = []
    found = fetch(tmp_path, *ALL, client=HubClient(on_progress=told.append))
    assert {path: file.read_bytes() for path, file in found.items()} == {
        path: hub.repos[REPO][path] for path in ALL
    }
    assert found[FILE] == tmp_path / "hub" / "someone--weights" / FILE
    assert told[-1].done == told[-1].total == len(hub.repos[REPO]["deep/merges.txt"])
    assert any(one.file == FILE and one.done == len(CONTENT) for one in told)
    before = list(hub.requests)
    assert fetch(tmp_path, *ALL) == found
    assert hub.requests == before


def test_a_checksum_is_not_computed_again_until_the_file_changes(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch(tmp_path)[FILE]
    read: list[Path] = []
    matches = store_module.RemoteFile.matches
    monkeypatch.setattr(
        store_module.RemoteFile, "matches", lambda self, at: read.append(at) or matches(self, at)
    )
    fetch(tmp_path)
    assert read == []
    path.write_bytes(b"spoilt")
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert read[0] == path


def test_a_cut_download_goes_on_where_it_stopped(hub: FakeHub, tmp_path: Path, whole_or_empty: Look) -> None:
    hub.behaviour.cut = (0.5, 1)
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.sent <= len(CONTENT) + CHUNK and hub.ranges
    assert int(hub.ranges[0].removeprefix("bytes=").removesuffix("-")) >= len(CONTENT) // 2 - CHUNK
    whole_or_empty(tmp_path)


def test_another_process_goes_on_with_what_a_cancelled_one_left(
    hub: FakeHub, tmp_path: Path, whole_or_empty: Look
) -> None:
    hub.behaviour.bytes_per_second = 2_000_000
    client = HubClient()

    def cancel_at_half(progress: Progress) -> None:
        if progress.done >= len(CONTENT) // 2:
            client.cancel.set()

    client.on_progress = cancel_at_half
    with pytest.raises(Cancelled, match="goes on from there"):
        fetch(tmp_path, client=client)
    whole_or_empty(tmp_path)
    (left,) = parts(tmp_path)
    size = left.stat().st_size
    assert len(CONTENT) // 2 <= size < len(CONTENT) and left.read_bytes() == CONTENT[:size]
    hub.behaviour.bytes_per_second, hub.sent = 0, 0
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.ranges[-1] == f"bytes={size}-" and not parts(tmp_path)
    assert (
        hub.sent <= len(CONTENT) - size + 2 * BLOCK
    )  # the first connection may have sent a block after it was left


def test_cancel_does_not_wait_for_a_hub_that_hangs(
    hub: FakeHub, tmp_path: Path, whole_or_empty: Look
) -> None:
    hub.behaviour.bytes_per_second = 1000  # one block takes 16 seconds
    client = HubClient()
    timer = threading.Timer(1.0, client.cancel.set)
    timer.start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(tmp_path, client=client)
    assert time.monotonic() - start < 6
    whole_or_empty(tmp_path)


def test_wrong_bytes_are_fetched_once_more(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.wrong_bytes = 1
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.sent == 2 * len(CONTENT)


def test_wrong_bytes_twice_are_an_error_and_leave_nothing(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.wrong_bytes = 99
    with pytest.raises(DownloadError, match="arrived twice with another checksum") as caught:
        fetch(tmp_path)
    assert hub.sent == 2 * len(CONTENT)
    told = str(caught.value)
    assert sha256(CONTENT) in told and str(tmp_path / "hub" / "someone--weights" / FILE) in told
    assert not list(tmp_path.rglob(f"*{FILE}*"))
    hub.behaviour.wrong_bytes = 0
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT


def test_small_files_are_held_to_their_git_digest(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.wrong_bytes = 99
    with pytest.raises(DownloadError, match="git blob id"):
        fetch(tmp_path, "vocab.json")


@pytest.mark.parametrize(
    ("status", "where", "code", "says"),
    [
        (401, "api", "", "wants to know who asks"),
        (403, "api", "", "may not read"),
        (403, "resolve", "GatedRepo", "Accept its terms"),
        (404, "api", "RepoNotFound", "no such repository"),
        (404, "api", "RevisionNotFound", "no such repository, revision"),
        (404, "resolve", "EntryNotFound", "no such repository, revision or file"),
        (429, "api", "", "too many requests"),
        (500, "api", "", "trouble of its own"),
        (503, "resolve", "", "trouble of its own"),
        (502, "cdn", "", "trouble of its own"),
    ],
)
def test_each_refusal_says_what_to_do(
    hub: FakeHub, tmp_path: Path, whole_or_empty: Look, status: int, where: str, code: str, says: str
) -> None:
    hub.behaviour.status, hub.behaviour.where, hub.behaviour.code = (status, 99), where, code
    with pytest.raises(DownloadError, match=says) as caught:
        fetch(tmp_path)
    told = str(caught.value)
    assert f"({status})" in told and "By hand: fetch" in told
    assert str(tmp_path / "hub" / "someone--weights" / FILE) in told
    whole_or_empty(tmp_path)
    hub.behaviour.status = (0, 0)
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT


def test_offline_without_the_files_says_so_and_asks_nobody(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        fetch(tmp_path)
    assert hub.requests == [] and not list(tmp_path.rglob(f"*{FILE}*"))


def test_offline_with_the_files_works(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fetch(tmp_path, *ALL)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(tmp_path, *ALL) == found


def test_nobody_listening_is_said_in_words(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError) as caught:
        fetch(tmp_path)
    first, _, rest = str(caught.value).partition(". ")
    assert first.endswith("could not be downloaded: no connection to http://127.0.0.1:9"), (
        "the page folds the rest"
    )
    assert rest.startswith("Check the network, HTTPS_PROXY and HF_ENDPOINT") and "Connection refused" in rest


def test_a_proxy_is_asked_in_the_place_of_the_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")  # a name that only a proxy can make something of
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, hub.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.proxied_for == {"hub.invalid"}


def test_two_processes_fetch_a_file_once(hub: FakeHub, tmp_path: Path, whole_or_empty: Look) -> None:
    hub.behaviour.bytes_per_second = 2_000_000
    code = (
        "import sys; from pathlib import Path; from clipcap_ext.hub.store import Store, Wanted\n"
        f"store = Store(Path({str(tmp_path)!r})); found = store.ensure(Wanted({REPO!r}, 'The model', "
        f"({FILE!r},)))\nstore.client.close(); print(found)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0] and said[0] == said[1]
    assert hub.sent == len(CONTENT)
    whole_or_empty(tmp_path)
    assert not parts(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="kills a process outright")
def test_a_killed_process_leaves_no_worker_and_a_part_to_go_on_with(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.bytes_per_second = 1_000_000
    code = (
        "from pathlib import Path; from clipcap_ext.hub.store import Store, Wanted\n"
        f"Store(Path({str(tmp_path)!r})).ensure(Wanted({REPO!r}, 'The model', ({FILE!r},)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not any(
        part.stat().st_size >= CHUNK for part in tmp_path.rglob(f".{FILE}.*.part")
    ):  # not the pins' own
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    time.sleep(1.0)
    size = parts(tmp_path)[0].stat().st_size
    time.sleep(1.0)
    assert parts(tmp_path)[0].stat().st_size == size < len(CONTENT)  # nobody writes any more
    hub.behaviour.bytes_per_second, hub.sent = 0, 0
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.ranges[-1] == f"bytes={size}-"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this process may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip(f"no small file system can be made here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_seen_before_the_download(hub: FakeHub, small_disk: Path) -> None:
    with pytest.raises(DownloadError, match=r"2 MB are needed in .* are free"):
        fetch(small_disk)
    assert hub.sent == 0


def test_a_disk_that_fills_up_meanwhile_is_an_error_and_is_left_empty(
    hub: FakeHub, small_disk: Path, monkeypatch: pytest.MonkeyPatch, whole_or_empty: Look
) -> None:
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 40}))
    with pytest.raises(DownloadError, match="is full"):
        fetch(small_disk)
    assert not list(small_disk.rglob(f"*{FILE}*"))
    whole_or_empty(small_disk)


def test_a_folder_that_cannot_be_written_is_named(hub: FakeHub, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(DownloadError, match=r"cannot be written to .*choose another folder"):
        fetch(small_disk)
    assert hub.sent == 0


def test_the_token_goes_to_the_hub_and_not_to_another_host(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.behaviour.need_token, hub.behaviour.cdn_host = "hf_secret", "localhost"
    with pytest.raises(DownloadError, match="HF_TOKEN"):
        fetch(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert hub.seen_by_cdn == [None]


def test_a_server_without_ranges_still_gives_the_right_file(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.cut, hub.behaviour.ignore_ranges = (0.5, 1), True
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT


def test_a_revision_stays_where_it_was_first_found(hub: FakeHub, tmp_path: Path) -> None:
    fetch(tmp_path, "vocab.json")
    first, hub.commit = hub.commit, "deadbeef" + "0" * 32
    fetch(tmp_path)
    assert f"/{REPO}/resolve/{first}/{FILE}" in {path for _, path in hub.requests}
    hub.repos[REPO]["vocab.json"] = b'{"b": 1}'
    assert fetch(tmp_path, "vocab.json", renew=True)["vocab.json"].read_bytes() == b'{"b": 1}'
    assert ("GET", f"/{REPO}/resolve/{hub.commit}/vocab.json") in hub.requests


def test_files_placed_by_hand_are_used_without_a_request(hub: FakeHub, tmp_path: Path) -> None:
    place = Store(tmp_path).path_of(REPO, FILE)
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert fetch(tmp_path) == {FILE: place}
    assert hub.requests == []


def test_a_file_in_the_hugging_face_cache_is_used_from_there(hub: FakeHub, tmp_path: Path) -> None:
    cached = tmp_path / "hf-home" / "hub" / "models--someone--weights" / "snapshots" / hub.commit / FILE
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    assert fetch(tmp_path) == {FILE: cached}
    assert hub.sent == 0
    cached.write_bytes(CONTENT[:-1] + b"x")
    assert fetch(tmp_path)[FILE] != cached and hub.sent == len(CONTENT)


@pytest.mark.parametrize(
    "path", ["../evil.pt", "/etc/evil.pt", "a/../../evil.pt", "C:\\evil.pt", "a//b.pt", "x\0y.pt"]
)
def test_a_file_name_that_leaves_the_folder_is_refused(hub: FakeHub, tmp_path: Path, path: str) -> None:
    hub.repos[REPO][path] = b"x"
    with pytest.raises(DownloadError, match="no plain path inside a folder"):
        fetch(tmp_path)
    assert hub.sent == 0


def test_a_missing_file_is_answered_with_what_there_is(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"has no file other\.pt .* it holds deep/merges\.txt, model\.pt"):
        fetch(tmp_path, "other.pt")


def test_a_spoilt_memory_of_pins_says_to_delete_it(hub: FakeHub, tmp_path: Path) -> None:
    pins = tmp_path / "hub" / "pins.json"
    pins.parent.mkdir()
    pins.write_text(json.dumps({"format": "other"}), encoding="utf-8")
    with pytest.raises(DownloadError, match="Delete it; it is made again"):
        fetch(tmp_path)


def test_remove_frees_what_is_there(hub: FakeHub, tmp_path: Path) -> None:
    fetch(tmp_path)
    with HubClient() as client:
        store = Store(tmp_path, client)
        assert store.clear(REPO) == len(CONTENT)
        store.forget(REPO)
        assert not store.path_of(REPO, FILE).exists() and store.pins.listing(REPO, "main") is None


def changed(**changes: object) -> Callable[[dict[str, Any]], object]:
    """A list whose every file says something else."""
    return lambda true: {**true, "siblings": [{**one, **changes} for one in true["siblings"]]}


def lfs(digest: str = sha256(CONTENT), size: int = len(CONTENT)) -> dict[str, object]:
    return {"sha256": digest, "size": size, "pointerSize": 134}


def named(path: str) -> Callable[[dict[str, Any]], object]:
    """A list of one file of that name."""
    return lambda true: {**true, "siblings": [{**true["siblings"][0], "rfilename": path}]}


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no files": (lambda true: {**true, "siblings": []}, "0 files"),
    "no siblings": (lambda true: {**true, "siblings": None}, "0 files"),
    "no commit": (lambda true: {**true, "sha": None}, "commit"),
    "odd commit": (lambda true: {**true, "sha": "main/../.."}, "commit"),
    "null": (lambda true: None, "not the Hub's"),
    "a list": (lambda true: [1, 2], "not the Hub's"),
    "wrong size": (changed(size=len(CONTENT) + 1, lfs=lfs(size=len(CONTENT) + 1)), "."),
    "huge size": (changed(size=1 << 60, lfs=lfs(size=1 << 60)), "not believed"),
    "no size": (changed(size=None, lfs=None), "size of"),
    "wrong checksum": (changed(lfs=lfs("0" * 64)), "another checksum"),
    "no checksum": (changed(blobId=None, lfs=None), "no checksum"),
    "odd checksum": (changed(lfs=lfs("x")), "no checksum"),
    "escape": (named("a\x1b[31m\n"), "no plain path"),
    "turned": (named("a\u202etp.b"), "no plain path"),
    "up": (named("../model.pt"), "no plain path"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_lies_is_told_and_an_honest_hub_heals_it(hub: FakeHub, tmp_path: Path, lie: str) -> None:
    hub.behaviour.lie, why = LIES[lie]
    with pytest.raises(DownloadError, match=why) as caught:
        fetch(tmp_path)
    assert "no connection" not in str(caught.value)
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    assert not list(tmp_path.rglob("model.pt"))
    hub.behaviour.lie = None
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT and not parts(tmp_path)


def test_a_wrong_list_that_was_pinned_is_asked_for_again(hub: FakeHub, tmp_path: Path) -> None:
    fetch(tmp_path, "vocab.json")
    pins = tmp_path / "hub" / "pins.json"
    pins.write_text(pins.read_text().replace(sha256(CONTENT), "0" * 64))
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
    assert sha256(CONTENT) in pins.read_text()


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>Log in</html>", b"", b"null", b"\xff\xfe"])
def test_a_page_in_place_of_an_answer_is_no_missing_connection(
    hub: FakeHub, tmp_path: Path, page: bytes
) -> None:
    hub.behaviour.page = page or b" "
    with pytest.raises(DownloadError, match=r"not the Hub's .*proxy, a login page or a mirror"):
        fetch(tmp_path)


def test_a_body_without_end_is_stopped_at_the_listed_size(hub: FakeHub, tmp_path: Path) -> None:
    hub.behaviour.endless = True
    with pytest.raises(DownloadError, match="goes on behind the 2097152 bytes"):
        fetch(tmp_path)
    assert sum(part.stat().st_size for part in parts(tmp_path)) <= len(CONTENT)
    assert hub.sent < 3 * len(CONTENT) + (12 << 20)  # the oldest client reads ten megabytes at a time
    hub.behaviour.endless = False
    assert fetch(tmp_path)[FILE].read_bytes() == CONTENT
