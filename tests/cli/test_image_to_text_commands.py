"""A folder as transformers saves it, at every command: named by its path, in a models folder, in the default
one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folder_runs import contents

from clipcap_ext.caption_text import plain_caption
from clipcap_ext.engine.image_to_text import describing
from clipcap_ext.engine.image_to_text.loading import load_image_to_text
from clipcap_ext.engine.images.reading import open_image

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("my-git", "my-blip", "my-vit-gpt2")
Command = Callable[..., Any]


@pytest.fixture
def default_folder(image_to_text_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPCAP_MODELS", str(image_to_text_folder))
    return image_to_text_folder


@pytest.fixture
def pair(photos: Path) -> list[Path]:
    return [photos / "1.jpg", photos / "2.png"]


def by_hand(folder: Path, paths: list[Path]) -> list[str]:
    captions = load_image_to_text(folder).caption([open_image(path) for path in paths])
    return [caption.text for caption in captions]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("asked", ["name", "path"])
def test_caption_says_what_the_model_says(
    command: Command, default_folder: Path, pair: list[Path], name: str, asked: str
) -> None:
    ran = command("caption", *pair, "--model", name if asked == "name" else default_folder / name)
    texts = by_hand(default_folder / name, pair)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [f"{path}\t{text}" for path, text in zip(pair, texts, strict=True)]


def test_as_it_is_typed_nothing_but_captions_is_on_the_output(
    default_folder: Path, pair: list[Path], tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "clipcap_ext", "caption", *map(str, pair), "--model", "my-git"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert [line.split("\t")[0] for line in ran.stdout.splitlines()] == [str(path) for path in pair]
    assert "Loading weights" not in ran.stderr and "Traceback" not in ran.stderr


def test_candidates_are_likeliest_first(command: Command, default_folder: Path, pair: list[Path]) -> None:
    ran = command("caption", pair[0], "--model", "my-git", "--num-candidates", 3, "--json")
    row = json.loads(ran.out)
    values = [candidate["avg_logprob"] for candidate in row["candidates"]]
    assert ran.code == 0 and len(values) > 1 and row["caption"] == row["candidates"][0]["text"]
    assert row["model"] == "my-git" and "similarity" not in row["candidates"][0]


@pytest.mark.parametrize("part", ["caption", "folder"])
@pytest.mark.parametrize(
    ("flags", "named"),
    [(["--precision", "fast"], "precision=fast"),
     (["--num-candidates", 3, "--rank-by", "similarity"], "rank_by=similarity"),
     (["--num-candidates", 3, "--diversity", 2], "diversity=2")],
)  # fmt: skip
def test_what_the_kind_lacks_is_refused_by_name_before_anything_is_loaded(
    command: Command, default_folder: Path, photos: Path, part: str, flags: list[Any], named: str
) -> None:
    before = contents(photos)
    words = ["folder", "caption"] if part == "folder" else ["caption"]
    ran = command(*words, photos, "--model", "my-git", *flags)
    assert ran.code == 2 and named in ran.err and "loaded in" not in ran.err and not ran.out
    assert contents(photos) == before


def test_a_folder_run_writes_sidecars(
    command: Command, default_folder: Path, photos: Path, pair: list[Path]
) -> None:
    ran = command("folder", "caption", photos, "--model", "my-blip")
    assert ran.code == 1 and "3.jpg" in ran.err  # it is no picture
    texts = [plain_caption(text) for text in by_hand(default_folder / "my-blip", pair)]
    assert [path.with_suffix(".txt").read_text("utf-8") for path in pair] == texts


def test_models_tells_family_and_memory(command: Command, default_folder: Path) -> None:
    ran = command("models", "--json")
    rows = {row["name"]: row for row in map(json.loads, ran.out.splitlines())}
    row = rows["my-git"]
    model = load_image_to_text(default_folder / "my-git").model
    weights = {weight.data_ptr(): weight.numel() for weight in model.parameters()}
    assert (row["kind"], row["architecture"], row["state"], row["ready"]) == (
        "transformers", "GIT", "own", True,
    )  # fmt: skip
    assert row["memory_bytes"] == pytest.approx(4 * sum(weights.values()), rel=0.05)
    assert "transformers; BLIP; " in command("models").out


def test_what_the_installed_transformers_lacks_is_listed_and_not_offered(
    command: Command, default_folder: Path, pair: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "version", lambda name: "4.20.1")
    lines = [line for line in command("models").out.splitlines() if line.startswith("my-")]
    refused = [line for line in lines if "needs transformers 4.26 or newer; here is 4.20.1" in line]
    assert [line.split()[0] for line in refused] == ["my-blip", "my-git"]
    ran = command("caption", *pair, "--model", "my-blip")
    assert ran.code != 0 and "needs transformers 4.26" in ran.err and not ran.out


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'), "of type 'llama'"),
     (lambda folder: (folder / "config.json").write_text('{"model_type": ["git"]}'), "cannot caption with"),
     (lambda folder: (folder / "model.safetensors").unlink(), "other forms of weights"),
     (lambda folder: (folder / "model.safetensors").write_bytes(b"\x08"), "model.safetensors"),
     (lambda folder: (folder / "preprocessor_config.json").unlink(), "how pictures are prepared")],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_listed_with_the_reason(
    command: Command, image_to_text_folder: Path, tmp_path: Path, pair: list[Path],
    spoil: Callable[[Path], Any], said: str,
) -> None:  # fmt: skip
    shutil.copytree(image_to_text_folder / "my-git", tmp_path / "models" / "mine")
    spoil(tmp_path / "models" / "mine")
    ran = command("models", "--models-dir", tmp_path / "models")
    line = next(line for line in ran.out.splitlines() if line.startswith("mine"))
    assert "cannot be used" in line and said in line
    ran = command("caption", *pair, "--model", "mine", "--models-dir", tmp_path / "models")
    assert ran.code != 0 and said in ran.err and not ran.out


def test_it_is_no_encoder_for_training(default_folder: Path) -> None:
    from clipcap_ext.engine.encoder_names import load_named_encoder
    from clipcap_ext.errors import CheckpointError

    with pytest.raises(CheckpointError, match="my-git looks at pictures itself"):
        load_named_encoder("my-git", "cpu")
