"""What is told of a model without loading it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clipcap_ext.caption_text import plain_caption
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.front_matter import with_front_matter
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.service.model_facts import (
    is_bundled,
    licence_of,
    purpose_of,
    sample_of,
    scores_of,
    size_of,
    state_of,
    terms_of,
)

CARD = (
    "---\nlicense: mit\ntags: [a]\n---\n# Name\n\nCaptions everyday photos in short sentences. More of it.\n"
)


SAID = {"src": "cat.jpg", "output": {"text": "a cat"}}


def copied(tiny_folder: Path, folder: Path) -> Path:
    shutil.copytree(tiny_folder / "tiny-clip", folder / "tiny-clip")
    shutil.copytree(tiny_folder / "tiny-clipcap", folder / "mine")
    return folder / "mine"


def change(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_card_size_and_state(tiny_folder: Path, tmp_path: Path) -> None:
    mine = copied(tiny_folder, tmp_path)
    entry = find_model("mine", folders=[tmp_path])
    assert licence_of(entry) == ""
    (mine / "README.md").write_text(CARD)
    assert licence_of(entry) == terms_of(entry) == "mit"
    assert purpose_of(entry) == "Captions everyday photos in short sentences"
    assert not is_bundled(entry)
    files = [path for folder in (mine, tmp_path / "tiny-clip") for path in folder.iterdir()]
    assert size_of(entry, tmp_path) == sum(path.stat().st_size for path in files)
    assert state_of(entry, tmp_path) == ("on this machine, ready offline", "tiny-clip")
    shutil.rmtree(tmp_path / "tiny-clip")
    assert state_of(entry, tmp_path)[0] == "its encoder {encoder} is missing"


def test_what_the_config_says(tiny_folder: Path, tmp_path: Path) -> None:
    mine = copied(tiny_folder, tmp_path)
    said = {"licence": "research only", "terms": "Research and teaching only. Ask the owners for more."}
    change(mine, training=said, scores=[{"signature": "standard|x", "values": {"CIDEr": 0.5}}])
    entry = find_model("mine", folders=[tmp_path])
    assert licence_of(entry) == "research only"
    assert terms_of(entry) == said["terms"]
    assert scores_of(entry) == "CIDEr 0.500 (standard|x)"
    change(mine, encoder={"model": "ViT-L-14", "pretrained": "openai", "normalize": True})
    assert "from the Hub" in state_of(find_model("mine", folders=[tmp_path]), tmp_path)[0]
    (mine / "config.json").write_text("{")
    assert state_of(find_model("mine", folders=[tmp_path]), tmp_path) == ("cannot be used", "")


@pytest.mark.parametrize("name", ["tiny-flickr8k", "tiny-sbg-flickr8k"])
def test_the_bundled_models_samples_are_what_they_say(name: str) -> None:
    sample = sample_of(find_model(name))
    assert sample is not None
    captioner = load_captioner(name, device="cpu")
    (caption,) = captioner.caption([open_image(sample.photo)], captioner.default_options)
    assert plain_caption(caption.text) == sample.caption


@pytest.mark.parametrize(
    "widget",
    [None, "a cat", [3], [{"src": "cat.jpg"}], [{**SAID, "output": "a cat"}], [{**SAID, "src": "none.jpg"}],
     [{**SAID, "output": {"text": ""}}], [{"output": {"text": "a cat"}}],
     [{**SAID, "src": ".."}]],
)  # fmt: skip
def test_no_sample_where_the_card_records_none_of_a_photo_that_is_here(
    widget: object, tiny_folder: Path, tmp_path: Path
) -> None:
    mine = copied(tiny_folder, tmp_path)
    entry = find_model("mine", folders=[tmp_path])
    (mine / "README.md").write_text(with_front_matter("# Mine\n", {"widget": widget}))
    assert sample_of(entry) is None
    (mine / "README.md").write_text(with_front_matter("# Mine\n", {"widget": [{"src": "x.jpg"}, SAID]}))
    found = sample_of(entry)
    assert found is not None and found.photo.name == "cat.jpg" and found.caption == "a cat"
