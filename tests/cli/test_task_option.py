"""The option `task` on the command line: a model that is asked in words is asked for what was typed; the
others refuse it before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folder_runs import contents

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.engine.image_to_text.loading import load_image_to_text
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.evaluate.__main__ import main as evaluate

Command = Callable[..., Any]
QUICK = ("--max-new-tokens", 8)
OWN_WORDS = "What is in it?"


@pytest.fixture
def pair(photos: Path, asked_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("CLIPCAP_MODELS", str(asked_folder))
    return [photos / "1.jpg", photos / "2.png"]


def by_hand(folder: Path, paths: list[Path], task: str) -> list[str]:
    options = DecodingOptions(task=task, max_new_tokens=8)
    captions = load_image_to_text(folder).caption([open_image(path) for path in paths], options)
    return [caption.text for caption in captions]


@pytest.mark.parametrize("task", ["sentence", "detailed", "tags", OWN_WORDS])
def test_caption_and_folder_ask_for_the_task(
    command: Command, asked_folder: Path, photos: Path, pair: list[Path], task: str
) -> None:
    texts = by_hand(asked_folder / "my-chat", pair, task)
    ran = command("caption", *pair, "--model", "my-chat", "--task", task, *QUICK)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [f"{path}\t{text}" for path, text in zip(pair, texts, strict=True)]
    command("folder", "caption", photos, "--model", "my-chat", "--task", task, *QUICK)
    assert [path.with_suffix(".txt").read_text("utf-8") for path in pair] == [
        plain_caption(one) for one in texts
    ]


def test_any_other_task_may_be_longer_than_a_sentence(
    command: Command, asked_folder: Path, pair: list[Path]
) -> None:
    spoken = {
        task: len(command("caption", pair[0], "--model", "my-chat", "--task", task).out)
        for task in ("sentence", OWN_WORDS)
    }
    assert spoken[OWN_WORDS] > 67 > 0 < spoken["sentence"]


@pytest.mark.parametrize("part", [("caption",), ("folder", "caption")])
@pytest.mark.parametrize(
    ("model", "task"), [("my-blip-2", "tags"), ("my-blip-2", "detailed"), ("tiny-flickr8k", "detailed"),
                        ("tiny-sbg-flickr8k", OWN_WORDS), ("my-chat", " ")],
)  # fmt: skip
def test_a_task_that_is_not_there_is_refused_before_anything_is_loaded(
    command: Command, photos: Path, pair: list[Path], part: tuple[str, ...], model: str, task: str
) -> None:
    before = contents(photos)
    ran = command(*part, photos, "--model", model, "--task", task)
    assert ran.code == 2 and "task" in ran.err and "loaded in" not in ran.err and not ran.out
    assert contents(photos) == before


def test_evaluate_asks_for_the_task(
    asked_folder: Path, photos: Path, pair: list[Path], tmp_path: Path
) -> None:
    lines = [f"{path.name},A dog plays .\n" for path in pair]
    (photos / "Images").mkdir()
    for path in pair:
        path.rename(photos / "Images" / path.name)
    (photos / "captions.txt").write_text("image,caption\n" + "".join(lines))
    for part in ("train", "dev", "test"):
        (photos / f"Flickr_8k.{part}Images.txt").write_text("\n".join(path.name for path in pair))
    words = [str(asked_folder / "my-chat"), "--data", str(photos), "--protocol", "words", "--metrics", "BLEU"]
    out = tmp_path / "results.json"
    assert evaluate([*words, "--task", "tags", *map(str, QUICK), "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["decoding"]["task"] == "tags"
