"""The command `leaderboard`: which runs share a table, what differs by more than chance, a page that asks no
network, and foreign files refused by name."""

from __future__ import annotations

import json
import re
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_tasks import captions_of, write_flickr

from clipcap_ext.evaluate.__main__ import main
from clipcap_ext.evaluate.leaderboard.boards import read_boards
from clipcap_ext.evaluate.leaderboard.pairs import all_pairs, holm
from clipcap_ext.evaluate.leaderboard.thumbnails import chosen, thumbnails
from clipcap_ext.evaluate.report.compare import compare
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap

NAMES = [f"{i:03}.jpg" for i in range(8)]
HOSTILE = '<img src=x onerror=alert(1)> & "quotes"'
SAID = {"right": 0, "short": 2, HOSTILE.replace("/", ""): 3}  # system -> which of the captions it says


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """right.json, short.json and a third with a hostile name and captions, on the training part; and
    other.json of another protocol."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "flickr8k").mkdir()
    write_flickr(folder / "flickr8k")
    words = ["--data", str(folder / "flickr8k"), "--split", "train", "--resamples", "20"]
    words += ["--metrics", "BLEU,CIDEr-D"]
    for place, (name, which) in enumerate(SAID.items()):
        said = {one: captions_of(int(one[:3]))[which] for one in NAMES}
        said |= {NAMES[0]: HOSTILE} if place == 2 else {}
        (folder / f"{name}.captions").write_text(json.dumps(said))
        asked = ["--hypotheses", str(folder / f"{name}.captions"), *words, "--protocol", "words"]
        out = folder / ("hostile.json" if place == 2 else f"{name}.json")
        assert main([*asked, "--out", str(out)]) == 0
    other = ["--hypotheses", str(folder / "right.captions"), *words, "--protocol", "paper"]
    assert main([*other, "--out", str(folder / "other.json")]) == 0
    return folder


def files(runs: Path, *names: str) -> list[str]:
    return [str(runs / f"{name}.json") for name in names]


def test_runs_that_compare_share_a_board(runs: Path) -> None:
    boards = read_boards([runs / f"{name}.json" for name in ("right", "other", "hostile", "short")])
    assert [[run.name for run in board.runs] for board in boards] == [["right", HOSTILE, "short"], ["right"]]
    assert boards[0].title == "flickr8k · karpathy-train · words · 8 images"
    assert boards[0].keys == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D"]


def test_runs_of_one_name_are_told_apart(runs: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    again.write_bytes((runs / "right.json").read_bytes())
    (board,) = read_boards([runs / "right.json", again])
    assert [run.name for run in board.runs] == ["right (right)", "right (again)"]
    twin = tmp_path / "right.json"
    twin.write_bytes(again.read_bytes())
    (board,) = read_boards([runs / "right.json", twin])
    assert len({run.name for run in board.runs}) == 2 and str(tmp_path) in board.runs[1].name


def test_differences_are_those_of_compare(runs: Path) -> None:
    (board,) = read_boards([runs / "right.json", runs / "short.json"])
    bootstrap = Bootstrap(samples=50)
    pairs = all_pairs(board, bootstrap)
    known = compare(runs / "right.json", runs / "short.json", bootstrap)["differences"]
    assert list(pairs) == list(known)
    for metric, (pair,) in pairs.items():
        assert pair.difference == pytest.approx(known[metric]["difference"])
        assert pair.p == pair.corrected == known[metric]["p_randomisation"]


def test_holm_by_hand() -> None:
    values = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03}
    assert holm(values) == pytest.approx({("a", "b"): 0.03, ("b", "c"): 0.06, ("a", "c"): 0.06})


@given(st.lists(st.floats(1e-4, 1), min_size=1, max_size=10))
def test_a_correction_only_weakens_and_keeps_the_order(values: list[float]) -> None:
    given_ = {(str(place), "x"): value for place, value in enumerate(values)}
    corrected = holm(given_)
    assert all(given_[pair] <= corrected[pair] <= 1 for pair in given_)
    for one, other in combinations(given_, 2):
        if given_[one] < given_[other]:
            assert corrected[one] <= corrected[other]


@given(st.integers(1, 40), st.integers(0, 50))
def test_pictures_are_evenly_spaced(images: int, count: int) -> None:
    ids = [f"{i:03}" for i in range(images)]
    if count:
        found = chosen(ids, count)
        assert len(found) == len(set(found)) == min(count, images) and found == sorted(found)


def test_the_page(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    words = [*files(runs, "right", "short", "hostile", "other"), "--out", str(out), "--resamples", "50"]
    photos = ["--images", str(runs / "flickr8k" / "Images"), "--pictures", "3"]
    assert main(["leaderboard", *words, *photos, "--title", "Ours & theirs"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = out.read_text(encoding="utf-8")
    assert "<h1>Ours &amp; theirs</h1>" in page
    assert page.count("<figure>") == page.count('<img src="data:image/jpeg;base64,') == 6
    assert "<img src=x" not in page and page.count(escape(HOSTILE)) > 3
    assert not re.findall(r"(?:https?:)?//[a-z]", page.split("<script>")[0]) and 'src="http' not in page
    bare = page[: page.index('<div class="pictures">')]
    assert bare.count("not scored") == 0 and 'class="best"' in bare and "p 0." in bare
    assert main(["leaderboard", *words, "--pictures", "0"]) == 0
    assert "<figure>" not in out.read_text(encoding="utf-8")


def test_pictures_from_nowhere_else(runs: Path, tmp_path: Path) -> None:
    """A name in somebody's results leads to no file outside the folder, nor need a picture be one."""
    (tmp_path / "photos").mkdir()
    outside = runs / "flickr8k" / "Images" / "000.jpg"
    (tmp_path / "secret.jpg").write_bytes(outside.read_bytes())
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "photos" / "good.jpg").write_bytes(outside.read_bytes())
    names = ["../secret.jpg", str(tmp_path / "secret.jpg"), "broken.jpg", "good.jpg", "gone.jpg", "a\0b"]
    assert list(thumbnails(tmp_path / "photos", names)) == ["good.jpg"]


def changed(runs: Path, tmp_path: Path, change: dict[str, Any]) -> Path:
    held = json.loads((runs / "right.json").read_text())
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({**held, **change}))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "another"}, "is no results.json of scored captions"),
        ({"kind": "retrieval"}, "is no results.json of scored captions"),
        ({"results": {}}, "has no scored image"),
        ({"results": {"CIDEr-D": {"value": "high", "interval": [0, 1]}}}, "results, CIDEr-D, value"),
        ({"results": {"CIDEr-D": {"value": 1, "interval": [0]}}}, "two ends are expected, not 1"),
        ({"results": {"CIDEr-D": 3}}, "results, CIDEr-D"),
        ({"images": {"000.jpg": {"caption": 3, "scores": {}}}}, "images, 000.jpg, caption"),
        ({"images": {"000.jpg": {"caption": "x", "scores": {}}}}, "of another number of images"),
        ({"image_statistics": {"BLEU": [["x"]]}}, "image statistics that no metric here wrote"),
        ({"data": {"name": "x"}}, "data, split"),
    ],
)
def test_foreign_files_are_refused_by_name(
    change: dict[str, Any], said: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(runs, tmp_path, change)
    words = [str(runs / "short.json"), str(path), "--out", str(tmp_path / "page.html")]
    assert main(["leaderboard", *words]) == 2
    error = capsys.readouterr().err
    assert str(path) in error and said in error and not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["{runs}/gone.json"], "gone.json cannot be read"),
        (["{runs}/right.captions"], "is no results.json of scored captions"),
        (["{runs}/right.json", "{runs}/right.json"], "right.json is named more than once"),
        (["{runs}/right.json", "--pictures", "300"], "at most 200 in a page"),
        (["{runs}/right.json", "--images", "{runs}/nowhere"], "nowhere: no such folder"),
        (["{runs}/right.json", "--resamples", "0"], "--resamples must be at least 1"),
    ],
)
def test_wrong_usage(
    more: list[str], said: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(runs=runs) for word in more]
    assert main(["leaderboard", *words, "--out", str(tmp_path / "page.html")]) == 2
    assert said in capsys.readouterr().err
