"""Finding pictures: every awkward name, the natural order, links in circles."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.images.finding import find_images, natural_key
from clipcap_ext.engine.images.pasted import pasted_path

AWKWARD = [
    "a b.jpg", "[1].png", "star*.jpg", "what?.webp", "é.JPG", "לב.gif", "写真.jpeg", "dots.in.name.tiff",
    "-dash.bmp",
]  # fmt: skip


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_are_found(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, "notes.txt")
    assert find_images([tmp_path]) == [tmp_path / name]
    assert find_images([str(tmp_path / name)]) == [tmp_path / name]


def test_brackets_are_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "[ab]/1.jpg", "a/2.jpg")
    assert find_images([tmp_path / "[ab]"]) == [tmp_path / "[ab]" / "1.jpg"]


def test_folders_are_walked_in_natural_order(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "img10.jpg",
        "img2.jpg",
        "IMG3.jpg",
        "set 12/1.jpg",
        "set 2/1.jpg",
        ".hidden/1.jpg",
        "._img2.jpg",
    )
    names = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
    assert names == ["img2.jpg", "IMG3.jpg", "img10.jpg", "set 2/1.jpg", "set 12/1.jpg"]
    assert [path.name for path in find_images([tmp_path], recursive=False)] == [
        "img2.jpg",
        "IMG3.jpg",
        "img10.jpg",
    ]


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "x.png/inside.jpg")
    assert find_images([tmp_path]) == [tmp_path / "x.png" / "inside.jpg"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    assert find_images([tmp_path]) == [tmp_path / "a" / "1.jpg"]


def test_a_link_to_nowhere_is_kept_so_that_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    assert find_images([tmp_path]) == [tmp_path / "gone.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_in_folders_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert find_images([tmp_path]) == []


def test_named_files_are_kept_whatever_they_are_and_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "odd.xyz")
    given_paths = [tmp_path / "odd.xyz", tmp_path / "b.jpg", tmp_path / "missing.jpg", tmp_path]
    assert find_images(given_paths) == [*given_paths[:3], tmp_path / "a.jpg"]


def test_a_link_to_itself_or_into_a_locked_folder_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "z.jpg")
    for name in ("loop.jpg", "loop"):
        (tmp_path / name).symlink_to(name)
    (tmp_path / "locked.jpg").symlink_to("/nowhere/locked.jpg")
    (tmp_path / "locked").symlink_to("/nowhere")
    usual = os.stat

    def stat(path: object, *args: object, **names: object) -> os.stat_result:
        if "locked" in os.fspath(path):  # type: ignore[arg-type]
            raise PermissionError(13, "Permission denied", path)
        return usual(path, *args, **names)  # type: ignore[arg-type]

    class Entry:
        """What os.scandir gives, with a lock that holds for root, too."""

        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.path, self.is_symlink = entry.name, entry.path, entry.is_symlink
            self.entry = entry

        def is_file(self) -> bool:
            stat(self.path)
            return self.entry.is_file()

        def is_dir(self) -> bool:
            stat(self.path)
            return self.entry.is_dir()

    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda folder: [Entry(one) for one in scandir(folder)])
    monkeypatch.setattr("os.stat", stat)
    names = [path.name for path in find_images([tmp_path])]
    assert names == ["a.jpg", "locked.jpg", "loop.jpg", "z.jpg", "locked"]


def test_a_folder_that_a_link_puts_outside_is_kept_instead_of_entered(tmp_path: Path) -> None:
    touch(tmp_path, "in/a/1.jpg", "out/2.jpg", "in-not/3.jpg")
    for name, target in (("in/out", "out"), ("in/beside", "in-not"), ("in/again", "in/a")):
        (tmp_path / name).symlink_to(tmp_path / target, target_is_directory=True)
    stayed = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path / "in"], stay=True)]
    assert stayed == ["in/a/1.jpg", "in/beside", "in/out"]
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    assert len(find_images([tmp_path / "link"], stay=True)) == 3
    assert [path.name for path in find_images([tmp_path / "in"])] == ["1.jpg", "3.jpg", "2.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf8_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    touch(tmp_path, name, "z.jpg")
    assert {path.name for path in find_images([tmp_path])} == {name, "z.jpg"}


def test_wildcards_that_the_shell_left(tmp_path: Path) -> None:
    touch(tmp_path, "10.jpg", "2.jpg", "notes.txt", "set 1/a.png", "set 2/b.png", "what?.jpg")
    assert [path.name for path in find_images([str(tmp_path / "*.jpg")])] == ["2.jpg", "10.jpg", "what?.jpg"]
    assert [path.name for path in find_images([str(tmp_path / "set *")])] == ["a.png", "b.png"]
    assert find_images([tmp_path / "what?.jpg"]) == [tmp_path / "what?.jpg"]
    assert find_images([tmp_path / "*.gif"]) == [tmp_path / "*.gif"]


@pytest.mark.parametrize(
    "around",
    [
        '"{}" ',
        "'{}'",
        " {}\n",
        "“{}”",
        "‘{}’",
        "«{}»",
        "\u202a{}",
        "\u202a{}\u202c",
        "\ufeff{}\u200b",
        "\u00a0{}",
    ],
)
def test_what_pasting_puts_around_a_path(tmp_path: Path, around: str) -> None:
    touch(tmp_path, "a b.jpg")
    assert pasted_path(around.format(tmp_path / "a b.jpg")) == tmp_path / "a b.jpg"


def test_a_mark_within_an_address_and_what_is_there_by_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "a b.jpg", "'quoted'.jpg", "100%.jpg", "\u200bodd.jpg", "#1?.jpg")
    assert pasted_path(tmp_path / "a\u200b b.jpg") == tmp_path / "a b.jpg"
    for name in ("'quoted'.jpg", "\u200bodd.jpg"):
        assert pasted_path(tmp_path / name) == tmp_path / name
    for name in ("a b.jpg", "100%.jpg", "#1?.jpg"):
        assert pasted_path((tmp_path / name).as_uri()) == tmp_path / name
    assert pasted_path(f"file://localhost{tmp_path}/a%20b.jpg") == tmp_path / "a b.jpg"
    assert pasted_path("file:///x/caf%E9") == Path(os.fsdecode(b"/x/caf\xe9"))
    assert pasted_path("~/x.jpg") == Path.home() / "x.jpg"
    assert pasted_path("") == Path()


@given(st.lists(st.text(max_size=8)), st.randoms())
def test_the_natural_order_is_total(names: list[str], chance: random.Random) -> None:
    shuffled = names[:]
    chance.shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@given(st.text(alphabet="ab -_", max_size=4), st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_count_as_numbers(stem: str, one: int, other: int) -> None:
    before = natural_key(f"{stem}{one}.jpg") <= natural_key(f"{stem}{other}.jpg")
    assert before == (one <= other)
