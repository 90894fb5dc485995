"""A tagger at every command: tags for a picture, a folder with sidecars, JSON, REST, scores."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_tagger import FACE, probability, write_tagger

from clipcap_ext.evaluate.__main__ import main as evaluate
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here: pip install .[taggers]")

Command = Callable[..., Any]
WARM = "red eyes, long green hair, blue sky, >_<"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default models folder, with a tagger in it."""
    write_tagger(tmp_path / "models" / "tiny-tagger")
    monkeypatch.setenv("CLIPCAP_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (30, 20), (255, 200, 150)).save(folder / "warm.png")
    Image.new("RGB", (20, 30), (0, 160, 180)).save(folder / "cool.png")
    return folder


@pytest.mark.parametrize("asked", ["name", "path"])
def test_caption_prints_tags(command: Command, models: Path, pictures: Path, asked: str) -> None:
    model = "tiny-tagger" if asked == "name" else models / "tiny-tagger"
    ran = command("caption", pictures / "warm.png", "--model", model)
    assert (ran.code, ran.out) == (0, f"{pictures / 'warm.png'}\t{WARM}\n"), ran.err


def test_thresholds_and_underscores_are_flags(command: Command, models: Path, pictures: Path) -> None:
    words = ["caption", pictures / "warm.png", "--model", "tiny-tagger"]
    assert command(*words, "--general-threshold", 0.9).out.endswith("\tred eyes, long green hair\n")
    kept = command(*words, "--general-threshold", 0.9, "--underscores", "kept")
    assert kept.out.endswith("\tred_eyes, long_green_hair\n")
    refused = command(*words, "--general-threshold", 1.5)
    assert refused.code == 2 and "general_threshold" in refused.err


def test_json_and_explain_tell_each_probability(command: Command, models: Path, pictures: Path) -> None:
    words = ["caption", pictures / "warm.png", "--model", "tiny-tagger"]
    row = json.loads(command(*words, "--json").out)
    assert [(one["text"], one["facet"]) for one in row["keywords"]] == [
        (tag, "general") for tag in WARM.split(", ")
    ]
    assert row["keywords"][0]["similarity"] == pytest.approx(probability((150, 200, 255), 4), abs=1e-4)
    told = command(*words, "--explain").out
    assert f"keyword >_<\tgeneral\t{FACE:.3f}" in told


@pytest.mark.parametrize("flags", [("--num-beams", 3), ("--precision", "fast"), ("--temperature", 1)])
def test_options_of_writers_are_refused_by_name(
    command: Command, models: Path, pictures: Path, flags: tuple[Any, ...]
) -> None:
    ran = command("caption", pictures / "warm.png", "--model", "tiny-tagger", *flags)
    assert ran.code == 2 and "a tagger reads all tags off at once" in ran.err and not ran.out


def test_a_writer_refuses_thresholds(command: Command, models: Path, pictures: Path) -> None:
    ran = command("caption", pictures / "warm.png", "--general-threshold", 0.5)
    assert ran.code == 2 and "only a tagger" in ran.err


@pytest.mark.parametrize("form", ["sentence", "tags", "sentence+tags"])
def test_a_folder_gets_its_tags_to_the_letter_in_every_form(
    command: Command, models: Path, pictures: Path, form: str
) -> None:
    ran = command("folder", "caption", pictures, "--model", "tiny-tagger", "--form", form)
    assert ran.code == 0, ran.err
    assert (pictures / "warm.txt").read_text("utf-8") == WARM
    assert (pictures / "cool.txt").read_text("utf-8").startswith("hatsune miku (vocaloid), ")
    assert command("folder", "undo", pictures).code == 0 and not (pictures / "warm.txt").exists()


def test_models_tells_what_it_is(command: Command, models: Path) -> None:
    rows = {row["name"]: row for row in map(json.loads, command("models", "--json").out.splitlines())}
    row = rows["tiny-tagger"]
    assert (row["kind"], row["architecture"], row["ready"], row["state"]) == ("tagger", "Tagger", True, "own")
    assert "wd-swinv2-tagger-v3" in command("models").out


def test_over_rest(models: Path, pictures: Path) -> None:
    pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from clipcap_ext.webui.api import add_api
    from clipcap_ext.webui.rest_guard import Access

    app, service = FastAPI(), CaptionService(StandaloneHost(models, device="cpu"))
    add_api(app, service, Access({}), lambda model: model or "tiny-tagger")
    image = base64.b64encode((pictures / "warm.png").read_bytes()).decode()
    client = TestClient(app, base_url="http://localhost")
    asked = {"image": image, "options": {"general_threshold": 0.9}}
    answer = client.post("/clipcap/v1/caption", json=asked).json()
    assert answer["caption"] == "red eyes, long green hair"
    assert [one["text"] for one in answer["captions"][0]["keywords"]] == ["red eyes", "long green hair"]
    refused = client.post("/clipcap/v1/caption", json={"image": image, "options": {"num_beams": 2}})
    assert refused.status_code == 422 and "num_beams" in refused.text
    assert "MB" in service.status()


def test_evaluate_scores_it(models: Path, tmp_path: Path) -> None:
    data = tmp_path / "toy"
    (data / "Images").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (20, 20), (255, 80 * number, 0)).save(data / "Images" / f"{number}.png")
    lines = [f"{number}.png,red eyes and red hair .\n" for number in range(3)]
    (data / "captions.txt").write_text("image,caption\n" + "".join(lines))
    for number, part in enumerate(("train", "dev", "test")):
        (data / f"Flickr_8k.{part}Images.txt").write_text(f"{number}.png\n")
    words = ["tiny-tagger", "--data", str(data), "--protocol", "words", "--metrics", "BLEU"]
    assert evaluate([*words, "--general-threshold", "0.6", "--out", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["decoding"]["general_threshold"] == 0.6 and results["results"]["BLEU-1"]["value"] > 0
