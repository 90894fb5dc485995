"""CHAIR at the door: COCO's instances files found and read, photos known by name, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniature_sets import write_coco, write_instances

from clipcap_ext.evaluate.__main__ import main

QUICK = ["--split", "test", "--protocol", "words", "--metrics", "BLEU", "--resamples", "20"]
CAPTION = "a dog and a cup beside a red square"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco")


@pytest.fixture
def words(coco: Path, tmp_path: Path) -> list[str]:
    """The two test photos of Karpathy's file, both with one caption."""
    said = [{"image_id": 391895 + 7 * i, "caption": CAPTION} for i in (12, 13)]
    (tmp_path / "said.json").write_text(json.dumps(said))
    return ["--hypotheses", str(tmp_path / "said.json"), "--data", str(coco / "dataset_coco.json"), *QUICK]


@pytest.mark.parametrize("place", ["annotations", "annotations/instances_val2014.json"])
def test_chair_by_an_instances_file_or_their_folder(
    place: str, coco: Path, words: list[str], tmp_path: Path
) -> None:
    write_instances(coco, {391895 + 7 * 12: ["dog", "cup"], 391895 + 7 * 13: ["dog"]})
    assert main([*words, "--instances", str(coco / place), "--out", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    values = {key: figures["value"] for key, figures in results["results"].items()}
    assert values["CHAIRi"] == 0.25 and values["CHAIRs"] == 0.5 and "|chair:coco80|" in results["signature"]
    assert set(results["controls"]["wrong_images"]["results"]) == set(values)
    assert results["results"]["CHAIRs"]["interval"] == [0.0, 1.0]


def test_photos_of_2017_are_those_of_2014(coco: Path, words: list[str], tmp_path: Path) -> None:
    write_instances(
        coco, {391895 + 7 * 12: ["dog"], 391895 + 7 * 13: []}, "instances_val2017.json", "{:012}.jpg"
    )
    asked = ["--instances", str(coco / "annotations"), "--human", "--out", str(tmp_path / "r.json")]
    assert main([*words, *asked]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["results"]["CHAIRi"]["value"] == 0.75 and "CHAIRi" not in results["human"]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--metrics", "CHAIR"], 2, "CHAIR needs the objects that people marked in the photos"),
        (["--instances", "nowhere.json"], 1, "--instances nowhere.json: no such file"),
        (["--instances", "{coco}/val2014"], 1, "no instances_*.json in it"),
        (["--instances", "{coco}/dataset_coco.json"], 1, "is no instances file of COCO: no 'categories'"),
        (["--instances", "{coco}/annotations"], 1, "1 of 2 images are not listed in"),
    ],
)
def test_what_is_refused(
    more: list[str], code: int, said: str, coco: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_instances(coco, {391895 + 7 * 12: ["dog"]})
    assert main([*words, *(word.format(coco=coco) for word in more)]) == code
    assert said in capsys.readouterr().err
