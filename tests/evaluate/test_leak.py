"""The command `leak`: what counts as word for word, what is concluded of it, and what a model remembers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature_sets import write_conceptual
from tiny_tasks import write_flickr

from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.evaluate.__main__ import main
from clipcap_ext.evaluate.leak.verbatim import Verbatim, count_people, count_verbatim, looks_seen, wilson

OWN = {"a": ["Two dogs run over the snow .", "Dogs ."], "b": ["A man rides a red bike ."]}
EVERYWHERE = {**OWN, "c": ["a man rides a red bike", "A girl"]}


def test_counted_by_hand() -> None:
    said = {"a": "two dogs run over the snow", "b": "A man rides a red bike."}
    assert count_verbatim(said, OWN, EVERYWHERE) == Verbatim(2, own=2, only=1, others=1)
    assert count_verbatim({"a": "dogs"}, OWN, EVERYWHERE) == Verbatim(1, own=1, only=0, others=0)  # too short
    assert count_verbatim({"b": "a girl"}, OWN, EVERYWHERE) == Verbatim(1, own=0, only=0, others=1)


def test_people_are_counted_against_each_other() -> None:
    assert count_people(OWN, EVERYWHERE) is None
    twice = {"a": ["Two dogs run over snow", "two dogs run over snow .", "Dogs"], "b": ["A cat", "Cats"]}
    assert count_people(twice, twice) == Verbatim(2, own=1, only=1, others=0)


@given(st.integers(1, 3000), st.data())
def test_the_interval_holds_the_share(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    low, high = wilson(part, whole)
    assert 0 <= low <= part / whole + 1e-9 and part / whole - 1e-9 <= high <= 1


@pytest.mark.parametrize(
    ("only", "people", "seen"),
    [
        (1, Verbatim(1000, 0, 0, 0), False),  # Merge-RNN's published captions: one of 1000
        (9, Verbatim(1000, 0, 0, 0), False),
        (30, Verbatim(1000, 0, 0, 0), True),
        (30, Verbatim(1000, 40, 40, 0), False),  # people repeat each other there, too
        (30, None, True),
    ],
)
def test_what_is_concluded(only: int, people: Verbatim | None, seen: bool) -> None:
    assert looks_seen(Verbatim(1000, only, only, 0), people) is seen


@pytest.fixture
def flickr(tmp_path: Path) -> Path:
    (tmp_path / "flickr8k").mkdir()
    write_flickr(tmp_path / "flickr8k")
    return tmp_path / "flickr8k"


def test_captions_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty photos of which every reference is another; one system has them by heart, one does not."""
    rows = [f"{i}.jpg,test,A dog number {'x' * (i + 1)} runs ." for i in range(60)]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "captions.csv").write_text("\n".join(["image,split,caption", *rows]) + "\n")
    for name, said, words in (
        ("heart", "a dog number {} runs", "LOOKS SEEN"),
        ("own", "a {} dog", "NO SIGN"),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({f"{i}.jpg": said.format("x" * (i + 1)) for i in range(60)}))
        out = tmp_path / "leak.json"
        assert (
            main(["leak", str(path), "--data", str(tmp_path / "set"), "--split", "test", "--out", str(out)])
            == 0
        )
        printed, found = capsys.readouterr().out, json.loads(out.read_text())
        assert words in printed and "What photos it was trained on is not known" in printed
        assert found["seen"] is (name == "heart") and found["captions"]["only"] == 60 * (name == "heart")
        assert found["kind"] == "leak" and found["people"] is None


def test_a_model_that_remembers(
    flickr: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tiny-clip", "tiny-clipcap"):
        shutil.copytree(tiny_folder / name, tmp_path / name)
    words = ["leak", str(tmp_path / "tiny-clipcap"), "--data", str(flickr), "--device", "cpu"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "tiny-clipcap: 2 captions of flickr8k (karpathy-test)" in said.out and "NO SIGN" in said.out
    assert "2 of 2 images captioned" in said.err
    marks = [image_fingerprint(flickr / "Images" / f"{i:03}.jpg") for i in (0, 13)]
    (tmp_path / "tiny-clipcap" / "trained_on.json").write_text(json.dumps(marks))
    assert main(words) == 0
    said = capsys.readouterr()
    assert "It remembers 2 training photos; 1 of these are among them." in said.out
    assert "SEEN: it was trained on some" in said.out


def test_what_is_refused(flickr: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words, said in (
        (["leak", "no-such-model", "--data", str(flickr)], "no-such-model"),
        (["leak", "tiny-flickr8k", "--data", str(flickr), "--positions"], "--positions is said of"),
        (["leak", "tiny-flickr8k", "--data", str(tmp_path / "nowhere")], "No data set at"),
    ):
        assert main(words) in (1, 2)
        assert said in capsys.readouterr().err


def test_one_reference_an_image_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Conceptual Captions has one, so there are no people to compare with."""
    cc = write_conceptual(tmp_path / "cc")
    (tmp_path / "said.json").write_text(json.dumps([{"image_id": 1, "caption": "x"}]))
    assert main(["leak", str(tmp_path / "said.json"), "--data", str(cc), "--split", "val"]) == 0
    assert "people" not in capsys.readouterr().out.splitlines()[1]
