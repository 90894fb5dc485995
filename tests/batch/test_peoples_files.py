"""Folders as people have them: odd names, links, masks, infotexts, two pictures of one name; and words around
captions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from folder_runs import captions, contents, picture, run

from clipcap_ext.batch.folder import FolderTask, folder_from_text, plan_folder
from clipcap_ext.batch.run import FileResult, rehearse, run_plan
from clipcap_ext.batch.undo import undo
from clipcap_ext.batch.wording import POLICIES, Wording
from clipcap_ext.errors import CaptionError, UsageError

INFOTEXT = (
    "a cat, masterpiece\nNegative prompt: blurry, dog\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model: v1-5"
)


def by_name(results: list[FileResult]) -> dict[str, FileResult]:
    return {one.image.name: one for one in results}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_rehearsal_says_what_a_run_writes_and_writes_nothing(folder: Path, policy: str) -> None:
    (folder / "p0.txt").write_text("mine", encoding="utf-8")
    (folder / "p1.txt").write_text(" \n", encoding="utf-8")
    (folder / "p2.png").write_bytes(b"no picture")
    picture(folder / "p2.webp", 77)
    task = FolderTask(folder, Wording(policy, "in {folder}", "at {name}", "sks"))
    before = everything(folder)
    rehearsed = list(rehearse(plan_folder(task), captions))
    assert everything(folder) == before
    assert run(task) == rehearsed
    written = {one.sidecar.name: one.text.encode() for one in rehearsed if one.state == "done"}
    assert contents(folder) == {**{"p0.txt": b"mine"}, **written}
    assert by_name(rehearsed)["p2.png"].state == "failed"


def test_a_broken_picture_does_not_keep_its_rival_from_the_caption_file(folder: Path) -> None:
    for number, kind in enumerate(("bmp", "gif", "jpg", "png", "webp")):
        picture(folder / f"a.{kind}", 10 * number)
    for kind in ("bmp", "gif"):
        (folder / f"a.{kind}").write_bytes(b"no picture")
    results = by_name(run(FolderTask(folder)))
    states = {name: one.state for name, one in results.items() if name.startswith("a.")}
    assert states == {
        "a.bmp": "failed", "a.gif": "failed", "a.jpg": "done", "a.png": "skipped", "a.webp": "skipped",
    }  # fmt: skip
    assert contents(folder)["a.txt"].startswith(b"red ") and len(results) == 10
    undo(folder)
    assert contents(folder) == {}


def test_one_rival_after_another_is_tried_and_stopping_between_is_no_end(folder: Path) -> None:
    for kind in ("bmp", "gif", "png"):
        (folder / f"a.{kind}").write_bytes(b"no picture")
    task = FolderTask(folder)
    assert [one.image.suffix for one in run(task) if one.state == "failed"] == [".bmp", ".gif", ".png"]
    picture(folder / "a.webp", 9)
    asked: list[str] = []

    def stopped() -> bool:
        asked.append("")
        return len(asked) > 1

    list(run_plan(plan_folder(task), captions, stopped=stopped))
    assert "a.txt" not in contents(folder)
    run(task)
    assert contents(folder)["a.txt"] == b"red 9"


@pytest.mark.skipif(os.name == "nt", reason="links and names of other systems")
def test_links_odd_names_and_long_names_are_captioned_or_named_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "p.txt")
    picture(folder / "pipe" / "p.png", 3)
    latin = os.fsdecode(b"caf\xe9.png")
    picture(folder / "x.png", 9).rename(folder / latin)
    names = {f"{'n' * (length - 4)}.png": length for length in range(241, 256)}
    for name in names:
        picture(folder / "x.png", 8).rename(folder / name)
    outside = picture(folder.parent / "outside" / "o.png", 1).parent
    (folder / "away").symlink_to(outside, target_is_directory=True)
    task = FolderTask(folder, Wording(prefix="{name}:"), recursive=True)
    results = by_name(run(task))
    failed = {name for name, one in results.items() if one.state == "failed"}
    assert failed == {"loop.png", "gone.png", "p.png"}
    assert (results["away"].state, results["away"].text) == ("skipped", "a link that leads out of the folder")
    assert all(results[name].state == "done" for name in (*names, latin))
    assert results[latin].text == "caf\ufffd: red 9"
    assert list(outside.iterdir()) == [outside / "o.png"]
    assert undo(folder).restored == 5 + 15 + 1
    assert contents(folder) == {}


def test_a_caption_file_whose_name_is_too_long_is_named(folder: Path) -> None:
    name = "n" * 250 + ".jpeg"
    picture(folder / "x.png", 8).rename(folder / name)
    results = by_name(run(FolderTask(folder, extension=".caption")))
    assert results[name].state == "failed" and "too long" in results[name].text.lower()
    assert sum(one.state == "done" for one in results.values()) == 5


def test_a_locked_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(folder / "sub" / "q.png", 1)
    scandir = os.scandir

    def locked(place: Path) -> object:
        if os.fspath(place).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr("os.scandir", locked)
    monkeypatch.setattr("os.access", lambda place, mode: not os.fspath(place).endswith("sub"))
    results = by_name(run(FolderTask(folder, recursive=True)))
    assert results["sub"].text == "sub: this folder may not be read"
    assert sum(one.state == "done" for one in results.values()) == 5
    with pytest.raises(CaptionError, match="may not be read"):
        FolderTask(folder / "sub")


def test_an_infotext_is_no_caption_and_nothing_is_added_to_it(folder: Path) -> None:
    (folder / "p0.txt").write_text(INFOTEXT, encoding="utf-8")
    (folder / "p1.txt").write_text("Steps: a flight of steps, sunlit", encoding="utf-8")
    for policy in ("append", "prepend"):
        result = by_name(list(rehearse(plan_folder(FolderTask(folder, Wording(policy))), captions)))
        assert result["p0.png"].state == "failed" and "generation parameters" in result["p0.png"].text
        assert result["p1.png"].state == "done"
    skipped = by_name(run(FolderTask(folder)))["p0.png"]
    assert skipped.state == "skipped" and "generation parameters" in skipped.text
    assert contents(folder)["p0.txt"] == INFOTEXT.encode()
    run(FolderTask(folder, Wording("overwrite")))
    assert contents(folder)["p0.txt"] == b"red 0"
    undo(folder, None)
    assert contents(folder)["p0.txt"] == INFOTEXT.encode()


def test_masks_get_no_caption_and_take_no_ones_place(folder: Path) -> None:
    picture(folder / "p0-masklabel.png", 1)
    picture(folder / "p0-CondLabel.png", 1)
    results = by_name(run(FolderTask(folder)))
    assert {name for name, one in results.items() if one.text == "a mask, not a picture"} == {
        "p0-masklabel.png", "p0-CondLabel.png",
    }  # fmt: skip
    assert sorted(contents(folder)) == [f"p{number}.txt" for number in range(5)]


def test_another_folder_takes_the_captions_with_the_same_tree(folder: Path) -> None:
    picture(folder / "sub" / "q.png", 9)
    other = folder.parent / "captions"
    task = FolderTask(folder, recursive=True, output=other)
    before = everything(folder)
    assert not other.exists()
    run(task)
    assert everything(folder) == before
    assert contents(other) == {f"p{n}.txt": f"red {n}".encode() for n in range(5)} | {"sub/q.txt": b"red 9"}
    with pytest.raises(UsageError, match="is no folder"):
        FolderTask(folder, output=folder / "p0.png")
    assert undo(other).restored == 6 and contents(other) == {}


def test_an_interrupted_run_into_another_folder_is_not_taken_for_one_from_elsewhere(folder: Path) -> None:
    other, twin = folder.parent / "captions", folder.parent / "twin"
    picture(twin / "p0.png", 99)
    going = run_plan(
        plan_folder(FolderTask(folder, Wording("overwrite"), output=other)), captions, batch_size=1
    )
    next(going)
    going.close()
    run(FolderTask(twin, Wording("overwrite"), output=other))
    assert contents(other) == {"p0.txt": b"red 99"}


@pytest.mark.parametrize("around", ["“{}”", "\u202a{}", "'{}' ", "file://{}"])
def test_a_folder_as_it_is_pasted(tmp_path: Path, around: str) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    assert folder_from_text(around.format(place)) == place
    assert folder_from_text(f"{tmp_path}/pho*") == place
    (tmp_path / "phone").mkdir()
    with pytest.raises(UsageError, match=r"stands for 2 folders or files \(phone, photos"):
        folder_from_text(f"{tmp_path}/pho*")
    for nothing in ("", "  ", "''", "\u202a", "“”"):
        with pytest.raises(UsageError, match="No folder"):
            folder_from_text(nothing)
    assert folder_from_text(".") == Path(".")
