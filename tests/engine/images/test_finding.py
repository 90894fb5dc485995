"""Finding pictures: every awkward name, the natural order, links in circles."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.images.finding import find_images, named_path, natural_key

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


def test_quotes_of_a_pasted_path(tmp_path: Path) -> None:
    touch(tmp_path, "a b.jpg", "'quoted'.jpg")
    assert named_path(f'"{tmp_path / "a b.jpg"}" ') == tmp_path / "a b.jpg"
    assert named_path(tmp_path / "'quoted'.jpg") == tmp_path / "'quoted'.jpg"
    assert named_path("~/x.jpg") == Path.home() / "x.jpg"


@given(st.lists(st.text(max_size=8)), st.randoms())
def test_the_natural_order_is_total(names: list[str], chance: random.Random) -> None:
    shuffled = names[:]
    chance.shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@given(st.text(alphabet="ab -_", max_size=4), st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_count_as_numbers(stem: str, one: int, other: int) -> None:
    before = natural_key(f"{stem}{one}.jpg") <= natural_key(f"{stem}{other}.jpg")
    assert before == (one <= other)
