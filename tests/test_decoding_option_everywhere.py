"""A decoding option wherever a person meets it: terminal, REST, tab, evaluate, a model's defaults.

Set there, it must give the words that the engine gives with it, which are others than without it.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny import tiny_images

from clipcap_ext.__main__ import main
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.precision import int8, quick
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.evaluate.__main__ import main as evaluate
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui.decoding_controls import DecodingForm, rows

MODEL = "tiny-transformer"
# option -> a value that changes the words, and what has to be set beside it for that
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "no_repeat_ngram_size": (1, {}),
    "min_new_tokens": (8, {"no_repeat_ngram_size": 1}),
    "repetition_penalty": (2.0, {}),
} | ({"precision": ("fast", {"repetition_penalty": 1.1})} if can_int8() else {})
EACH = pytest.mark.parametrize(
    ("name", "changes"), [(name, {**beside, name: value}) for name, (value, beside) in CASES.items()]
)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' models are narrower than 8 bits are worth, and 8 bits too fine to change their words on
    every processor; what is kept of them is kept elsewhere."""
    monkeypatch.setattr(quick, "NARROWEST", 1)
    monkeypatch.setattr(int8, "LEVELS", 7)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return tiny_images()[1]


@pytest.fixture(scope="module")
def said(tiny_folder: Path, image: Image.Image) -> Callable[..., str]:
    """What the engine says with an option and what has to be set beside it: other words than without it."""
    captioner = load_captioner(tiny_folder / MODEL)

    def words(name: str, changes: dict[str, Any]) -> str:
        beside = {key: value for key, value in changes.items() if key != name}
        both = [captioner.default_options.with_changes(**some) for some in (changes, beside)]
        with_it, without = (captioner.caption([image], options)[0].text for options in both)
        assert with_it != without
        return with_it

    return words


def flags(changes: dict[str, Any]) -> list[str]:
    return [word for name, value in changes.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@EACH
def test_in_the_terminal(
    tiny_folder: Path,
    tmp_path: Path,
    image: Image.Image,
    said: Callable[..., str],
    name: str,
    changes: dict[str, Any],
) -> None:
    image.save(tmp_path / "a.png")
    streams = Streams(io.StringIO(), io.StringIO())
    words = ["caption", str(tmp_path / "a.png"), "--models-dir", str(tiny_folder), "--model", MODEL]
    assert main([*words, *flags(changes)], streams) == 0, streams.err.getvalue()
    assert streams.out.getvalue().strip().endswith(f"\t{said(name, changes)}")


@EACH
def test_over_rest(
    tiny_folder: Path, image: Image.Image, said: Callable[..., str], name: str, changes: dict[str, Any]
) -> None:
    pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from clipcap_ext.webui.api import add_api
    from clipcap_ext.webui.rest_guard import Access

    app, stream = FastAPI(), io.BytesIO()
    add_api(
        app,
        CaptionService(StandaloneHost(tiny_folder, device="cpu")),
        Access({}),
        lambda model: model or MODEL,
    )
    image.save(stream, "PNG")
    body = {"image": base64.b64encode(stream.getvalue()).decode(), "options": changes}
    answer = TestClient(app, base_url="http://localhost").post("/clipcap/v1/caption", json=body)
    assert answer.status_code == 200 and answer.json()["caption"] == said(name, changes)


@EACH
def test_in_the_tabs_form(
    tiny_folder: Path, image: Image.Image, said: Callable[..., str], name: str, changes: dict[str, Any]
) -> None:
    captioner = load_captioner(tiny_folder / MODEL)
    own = DecodingForm.of(captioner.default_options)
    moved = DecodingForm.of_values({**own.values, **changes})
    assert name in moved.acting() and name in {one for row in rows() for one in row}
    (caption,) = captioner.caption([image], moved.options())
    assert caption.text == said(name, changes)


@EACH
def test_in_evaluate(
    tiny_folder: Path, tmp_path: Path, image: Image.Image, name: str, changes: dict[str, Any]
) -> None:
    data = tmp_path / "toy"
    (data / "Images").mkdir(parents=True)
    for number in range(3):
        image.rotate(90 * number).save(data / "Images" / f"{number}.png")
    lines = [f"{number}.png,A dog plays .\n" for number in range(3)]
    (data / "captions.txt").write_text("image,caption\n" + "".join(lines))
    for number, part in enumerate(("train", "dev", "test")):
        (data / f"Flickr_8k.{part}Images.txt").write_text(f"{number}.png\n")
    words = [str(tiny_folder / MODEL), "--data", str(data), "--protocol", "words", "--metrics", "BLEU"]
    assert evaluate([*words, *flags(changes), "--out", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["decoding"].items() >= changes.items()


@EACH
def test_as_a_models_default(
    tiny_folder: Path,
    tmp_path: Path,
    image: Image.Image,
    said: Callable[..., str],
    name: str,
    changes: dict[str, Any],
) -> None:
    for folder in ("tiny-clip", MODEL):
        shutil.copytree(tiny_folder / folder, tmp_path / folder)
    path = tmp_path / MODEL / "config.json"
    config = json.loads(path.read_text())
    config["decoding"] |= changes
    path.write_text(json.dumps(config))
    captioner = load_captioner(tmp_path / MODEL)
    assert captioner.default_options == DecodingOptions(**config["decoding"])
    (caption,) = captioner.caption([image])
    assert caption.text == said(name, changes)
