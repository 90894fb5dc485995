"""Writing whole: old or new and nothing between, whoever is killed when; what is left is put right by the
next."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext import files
from clipcap_ext.errors import UsageError
from clipcap_ext.files import (
    file_sha256,
    read_json,
    recover_folder,
    tidy,
    to_digits,
    write_file,
    write_folder,
    write_json,
    write_whole,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on this system")
KILLED_WRITING = """
import os, signal
from pathlib import Path
from clipcap_ext.files import write_file
with write_file(Path({path!r})) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_EXCHANGING = """
import os, signal
from pathlib import Path
from clipcap_ext import files
real, calls = os.replace, []
def replace(old, new):
    calls.append(new)
    if len(calls) == {rename}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(old, new)
def rmtree(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
os.replace, files.shutil.rmtree = replace, rmtree
with files.write_folder(Path({path!r})) as part:
    (part / "a").write_text("new")
"""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def kill(code: str, **values: object) -> None:
    ended = subprocess.run([sys.executable, "-c", code.format(**values)], cwd=ROOT, timeout=120)
    assert ended.returncode == -signal.SIGKILL


def in_next_run(code: str) -> None:
    text = f"from pathlib import Path\nfrom clipcap_ext.files import *\n{code}"
    subprocess.run([sys.executable, "-c", text], cwd=ROOT, timeout=120, check=True)


@given(old=st.none() | st.binary(), new=st.binary() | st.text())
def test_what_is_written_is_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, old: bytes | None, new: bytes | str
) -> None:
    folder = tmp_path_factory.mktemp("whole")
    if old is not None:
        (folder / "a").write_bytes(old)
    write_whole(folder / "a", new)
    assert (folder / "a").read_bytes() == (new.encode() if isinstance(new, str) else new)
    assert names(folder) == ["a"]


@posix
def test_permissions_are_the_old_files_and_else_what_the_user_gives_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for mode in (0o600, 0o640, 0o444):
        path.unlink(missing_ok=True)
        path.write_text("old")
        path.chmod(mode)
        write_whole(path, "new")
        assert stat.S_IMODE(path.stat().st_mode) == mode
    (tmp_path / "made").write_text("")
    write_whole(tmp_path / "new", "")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "made").stat().st_mode
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o770)
    with write_folder(tmp_path / "folder"):
        pass
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o770


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a").write_text("old")
    (tmp_path / "a").symlink_to(tmp_path / "far" / "a")
    (tmp_path / "near").symlink_to(tmp_path / "far")
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "far" / "a").read_text() == "new"
    with write_folder(tmp_path / "near") as part:
        (part / "b").write_text("")
    assert (tmp_path / "near").is_symlink() and names(tmp_path / "far") == ["b"]


@pytest.mark.parametrize("name", ["a" * 250 + ".txt", "犬" * 80, "a\nb", ".hidden", "[x]*"])
def test_any_name_that_a_file_may_have(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), write_file(tmp_path / "a") as part:
        part.write_text("half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), write_folder(tmp_path / "f") as part:
        (part / "b").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"
    with pytest.raises(OSError):
        write_whole(tmp_path / "none" / "a", "")


def test_a_folder_whose_place_cannot_be_taken_is_there_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "f" / "a", "old")
    real = os.replace

    def held(old: Path, new: Path) -> None:
        if str(old).endswith(".part"):
            raise PermissionError(13, "somebody has it open")
        real(old, new)

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(PermissionError), write_folder(tmp_path / "f") as part:
        (part / "a").write_text("new")
    assert names(tmp_path) == ["f"] and (tmp_path / "f" / "a").read_text() == "old"


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@posix
def test_what_a_killed_process_left_goes_at_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    kill(KILLED_WRITING, path=str(tmp_path / "a"))
    assert (tmp_path / "a").read_text() == "old"
    assert len(names(tmp_path)) == 2 and re.fullmatch(r"\.a\.clipcap-.*\.part", names(tmp_path)[0])
    in_next_run(f"write_whole(Path({str(tmp_path / 'b')!r}), '')")
    assert names(tmp_path) == ["a", "b"]


@posix
def test_a_folder_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "dog.v2"
    for rename, found in [(1, "old"), (2, "old"), (3, "new")]:  # before, between and after the two renames
        write_text(folder / "a", "old")
        kill(KILLED_EXCHANGING, path=str(folder), rename=rename)
        assert folder.exists() == (rename != 2)
        recover_folder(folder)
        assert (folder / "a").read_text() == found
        with write_folder(folder) as part:
            (part / "a").write_text("newer")
        assert names(folder.parent) == ["dog.v2"] and (folder / "a").read_text() == "newer"


@posix
def test_a_write_alone_brings_the_old_folder_back_first(tmp_path: Path) -> None:
    write_text(tmp_path / "f" / "a", "old")
    kill(KILLED_EXCHANGING, path=str(tmp_path / "f"), rename=2)
    with pytest.raises(ZeroDivisionError), write_folder(tmp_path / "f"):
        raise ZeroDivisionError
    assert names(tmp_path) == ["f"] and (tmp_path / "f" / "a").read_text() == "old"


@posix
def test_a_checkpoint_that_was_being_exchanged_is_listed_and_loads(
    tiny_clipcap: Path, tmp_path: Path
) -> None:
    import shutil

    from clipcap_ext.engine.catalog import find_model, list_models

    shutil.copytree(tiny_clipcap, tmp_path / "mine")
    for look in (lambda: find_model("mine", folders=[tmp_path]), lambda: find_model(tmp_path / "mine")):
        kill(KILLED_EXCHANGING, path=str(tmp_path / "mine"), rename=2)
        assert not (tmp_path / "mine").exists()
        assert look().config is not None
    assert "mine" in [entry.name for entry in list_models(folders=[tmp_path])]


def test_live_processes_and_other_machines_are_left_alone(tmp_path: Path) -> None:
    mine = f"{files._HOST}-{os.getpid()}-{files._LIFE}"
    other = "ffffff" if files._HOST != "ffffff" else "000000"
    own = tmp_path / f".a.clipcap-{mine}-0.part"
    parent = tmp_path / f".a.clipcap-{files._HOST}-{os.getppid()}-abcdef-0.part"
    elsewhere = tmp_path / f".a.clipcap-{other}-1-abcdef-0.part"
    strangers = [tmp_path / name for name in (".a.part", "a.old", ".a.clipcap-x.part", ".a.0123456789.part")]
    for path in (own, parent, elsewhere, *strangers):
        path.write_text("")
    tidy(tmp_path)
    assert len(names(tmp_path)) == 3 + len(strangers)
    old = time.time() - 2 * files.DAY
    for path in (own, elsewhere, *strangers):
        os.utime(path, (old, old))
    tidy(tmp_path)
    assert not elsewhere.exists() and own.exists() and all(path.exists() for path in strangers)


def test_an_earlier_process_of_the_same_number_is_dead(tmp_path: Path) -> None:
    life = "000000" if files._LIFE != "000000" else "111111"
    (tmp_path / f".a.clipcap-{files._HOST}-{os.getpid()}-{life}-3.part").write_text("")
    tidy(tmp_path)
    assert names(tmp_path) == []


def test_readers_meet_the_old_or_the_new(tmp_path: Path) -> None:
    path, done = tmp_path / "a", threading.Event()
    texts = ["x" * 50_000, "y" * 50_000]
    write_whole(path, texts[0])

    def write() -> None:
        for number in range(60):
            write_whole(path, texts[number % 2])
        done.set()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    for writer in writers:
        writer.join()
    assert seen <= set(texts) and names(tmp_path) == ["a"]


def test_json_and_digests(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"é": [1, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"é": [1, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"))
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UsageError, match=r"--scores .*b\.json is not JSON"):
        read_json(tmp_path / "b.json", "--scores")
    with pytest.raises(UsageError, match="No such file"):
        read_json(tmp_path / "none")
    write_whole(tmp_path / "abc", "abc")
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_fractions_are_told_to_so_many_digits_and_all_else_as_it_is() -> None:
    said = {"value": 0.1 + 0.2, "rows": [(1 / 3, 2), ["0.33333", None, True]], "count": 10**20}
    told = {"value": 0.3, "rows": [[0.3333, 2], ["0.33333", None, True]], "count": 10**20}
    assert to_digits(said, 4) == told and to_digits({"value": 0.3}, 10) == to_digits({"value": 0.1 + 0.2}, 10)
