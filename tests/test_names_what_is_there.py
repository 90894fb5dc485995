"""The measure of benchmarks/names_what_is_there.py: what counts as named, as main and as there."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names() -> ModuleType:
    path = ROOT / "benchmarks" / "names_what_is_there.py"
    spec = importlib.util.spec_from_file_location("names_what_is_there", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("Two puppies, a HOT-DOG and buses .", {"dog", "hot dog", "bus"}),
        ("a dogma of carpets", set()),
        ("people with knives on a sofa", {"knife", "couch"}),
        ("a man in a shirt", set()),
    ],
)
def test_words_of_one_thing_are_one(names: ModuleType, text: str, things: set[str]) -> None:
    assert names.load_things().said_in(text) == things


def test_main_is_what_three_say_and_there_what_anybody_says(names: ModuleType, tmp_path: Path) -> None:
    dog = names.Photo("a.jpg", tmp_path, ("a dog", "dogs", "a puppy on grass", "a man", "one"))
    none = names.Photo("b.jpg", tmp_path, ("a man", "a cat", "people", "someone", "a woman"))
    said = {"a.jpg": "a dog on the beach .", "b.jpg": "a cat in a car ."}
    found = names.measure(names.load_things(), said, [dog, none])
    assert (found.photos, found.with_main, found.hits, found.said, found.right) == (2, 1, 1, 4, 2)
    assert found.named == 1 and found.precision == 0.5
    stricter = names.measure(names.load_things(), said, [dog, none], agree=4)
    assert stricter.with_main == 0 and stricter.named == 0


def test_a_folder_and_captions_in_every_form(names: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("file,licence,c1,c2\na.jpg,CC0,a cat,cats\n", encoding="utf-8")
    (photo,) = names.read_photos(tmp_path)
    assert photo.texts == ("a cat", "cats") and photo.path == tmp_path / "a.jpg"
    forms = [
        json.dumps({"a.jpg": "a cat ."}),
        json.dumps([{"image_id": "a", "caption": "a cat ."}]),
        json.dumps({"file": "x/a.jpg", "caption": "a cat ."}) + "\n",
        json.dumps({"file": "a.jpg", "caption": "a cat ."})
        + "\n"
        + json.dumps({"file": "b", "caption": "b"})
        + "\n",
    ]
    for form in forms:
        (tmp_path / "said.json").write_text(form, encoding="utf-8")
        assert names.read_captions(tmp_path / "said.json", [photo])["a.jpg"] == "a cat ."
    (tmp_path / "said.json").write_text(json.dumps({"b.jpg": "a cat ."}), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"a\.jpg"):
        names.read_captions(tmp_path / "said.json", [photo])
