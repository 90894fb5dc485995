"""Captions from elsewhere in every form that is read, and whose images they are taken for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clipcap_ext.corpus import Example, read_corpus
from clipcap_ext.errors import CaptionError, ScoringError, UsageError
from clipcap_ext.evaluate.hypotheses.matching import Matched, match
from clipcap_ext.evaluate.hypotheses.reading import read_hypotheses

IDS = ["b.jpg", "a.jpg", "c.jpg"]
NUMBERS = {"b.jpg": 391895, "a.jpg": 1, "c.jpg": 0}
FOUND = {"a.jpg": "y", "b.jpg": "x", "c.jpg": "z"}
EXAMPLES = [Example(name, Path(name), ("a dog",), number=NUMBERS[name]) for name in sorted(IDS)]


def rows(*pairs: tuple[object, object]) -> str:
    return json.dumps([{"image_id": image_id, "caption": caption} for image_id, caption in pairs])


def matched(folder: Path, text: str, name: str = "h.json", positions: list[str] | None = None) -> Matched:
    (folder / name).write_text(text, encoding="utf-8")
    return match(folder / name, read_hypotheses(folder / name), EXAMPLES, positions)


@pytest.mark.parametrize(
    "text",
    [
        rows((391895, "x"), (1, "y"), (0, "z")),
        rows(("b.jpg", "x"), ("a.jpg", "y"), ("c.jpg", "z")),
        rows(("c", "z"), (391895, "x"), ("photos/a.jpg", "y")),
        rows(("391895", "x"), ("1", "y"), ("C:\\photos\\c.jpg", "z")),
        json.dumps({"annotations": json.loads(rows((391895, "x"), (1, "y"), (0, "z")))}),
        json.dumps({"391895": "x", "1": "y", "0": "z"}),
        json.dumps({"b.jpg": ["x"], "a.jpg": [{"caption": "y"}], "c.jpg": {"caption": "z"}}),
        '{"path": "in/b.jpg", "caption": "x", "model": "m", "candidates": []}\n'
        '{"path": "in/a.jpg", "caption": "y"}\n\n{"path": "in/c.jpg", "caption": "z"}\n'
        '{"path": "in/d.jpg", "error": "broken"}\n',
        "image,caption\nb.jpg,x\na.jpg,y\nc.jpg,z\n",
        'caption;image_id\n"x";391895\ny;1\nz;0\n',
        "\ufefffile_name,text,problem\r\nb.jpg,x,\r\na.jpg,y,\r\nc.jpg,z,\r\nd.jpg,,broken\r\n",
        "in/b.jpg\tx\nin/a.jpg\ty\nin/c.jpg\tz\n",
    ],
)
def test_every_form_says_the_same(tmp_path: Path, text: str) -> None:
    found = matched(tmp_path, text)
    assert found.captions == FOUND and found.told() == []


def test_numbers_count_only_where_that_is_asked(tmp_path: Path) -> None:
    text = rows((0, "x"), (1, "y"), (2, "z"))
    assert matched(tmp_path, text, positions=IDS).captions == FOUND
    found = matched(tmp_path, text)  # the data set's own numbers: no image is number 2
    assert found.captions == {"c.jpg": "x", "a.jpg": "y"}
    assert found.told() == [
        "1 of 3 images of the split have no caption in the file, and are not scored: b.jpg.",
        "Captions in the file of no image of the split: 1 (2).",
    ]


def test_coco_results_by_its_ids(tmp_path: Path) -> None:
    """In the layouts COCO comes in: its own, Karpathy's, and file names that hold the id."""
    name = "COCO_val2014_000000391895.jpg"
    coco = {"images": [{"id": 391895, "file_name": name}],
            "annotations": [{"image_id": 391895, "id": 1, "caption": "a man"}]}  # fmt: skip
    karpathy = {"images": [{"filename": name, "cocoid": 391895, "imgid": 3, "split": "test",
                            "sentences": [{"raw": "a man"}]}]}  # fmt: skip
    (tmp_path / "captions_val2014.json").write_text(json.dumps(coco))
    (tmp_path / "dataset_coco.json").write_text(json.dumps(karpathy))
    (tmp_path / "results.csv").write_text(f"image,caption\n{name},a man\n")
    (tmp_path / "h.json").write_text(rows((391895, "a boy"), (9, "a cat")))
    for file in ("captions_val2014.json", "dataset_coco.json", "results.csv"):
        examples = read_corpus(tmp_path / file, pictures=False).examples
        found = match(tmp_path / "h.json", read_hypotheses(tmp_path / "h.json"), examples)
        assert found == Matched({name: "a boy"}, ("9",), ()), file


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (rows((391895, "x"), ("b.jpg", "x")), ScoringError, r"more than one caption for b\.jpg"),
        (rows((5, "x"), ("d.jpg", "x")), ScoringError, r"None of the 2 captions .* names images 5, d\.jpg; "
         r"the split has images such as a\.jpg \(number 1\)\. .* --positions"),
        (rows((0, "x"), (True, "y")), UsageError, "entry 1: .*True"),
        (rows((0, 5)), UsageError, "entry 0: .* is not of the form"),
        ('[{"caption": "x"}]', UsageError, "entry 0"),
        ('{"b.jpg": ["x", "y"]}', UsageError, "'b.jpg' holds no single caption"),
        ("[", UsageError, "is not JSON"),
        ('{"path": "b.jpg", "caption": "x"}\n{', UsageError, "line 2 is not JSON"),
        ("5", UsageError, "begins with '5'; taken are COCO results"),
        ("image,caption\nb.jpg\n", UsageError, "entry 0"),
        ("", UsageError, "begins with ''"),
    ],
)  # fmt: skip
def test_wrong_hypotheses(tmp_path: Path, text: str, kind: type[CaptionError], message: str) -> None:
    with pytest.raises(kind, match=message):
        matched(tmp_path, text)


def test_no_hypotheses_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"h\.json cannot be read: No such file"):
        read_hypotheses(tmp_path / "h.json")


def test_a_stem_that_two_images_share_is_none(tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text(rows(("a", "x"), ("b.jpg", "y")))
    examples = [Example(name, Path(name), ("x",)) for name in ("a.jpg", "a.png", "b.jpg")]
    found = match(tmp_path / "h.json", read_hypotheses(tmp_path / "h.json"), examples)
    assert found == Matched({"b.jpg": "y"}, ("a",), ("a.jpg", "a.png"))


def test_finished_captions_need_no_torch() -> None:
    """It takes seconds to import, and METEOR's program would wait for it."""
    doors = "clipcap_ext.evaluate.__main__, clipcap_ext.evaluate.hypotheses.evaluation"
    code = f"import sys, {doors}; print('torch' in sys.modules, 'transformers' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
