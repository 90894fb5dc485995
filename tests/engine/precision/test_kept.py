"""Rounded weights on the disk: the second start says the same with them, nothing in doubt is taken, and they
go with what they were made of."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_images

from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.engine.checkpoint.safefile import read_words
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.precision import kept, processor, quick
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.engine.precision.kept_files import copies_folder, folder_of, forget_copies
from clipcap_ext.engine.precision.quick import IN_BF16, IN_INT8

FAST = DecodingOptions(max_new_tokens=10, precision="fast")
needs_int8 = pytest.mark.skipif(not can_int8(), reason="this torch has no 8-bit layers")


@pytest.fixture(autouse=True, params=[pytest.param("int8", marks=needs_int8), "bf16"])
def models(
    request: pytest.FixtureRequest, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A ClipCap and its encoder in a folder of their own, an empty cache, and each arithmetic in turn."""
    monkeypatch.setattr(quick, "NARROWEST", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(quick, "can_int8", lambda: request.param == "int8")
    monkeypatch.setattr(processor, "instructions", lambda: frozenset({"amx_bf16"}))
    for name in ("tiny-clip", "tiny-clipcap"):
        shutil.copytree(tiny_folder / name, tmp_path / "models" / name)
    return tmp_path / "models"


def said(models: Path) -> list[Caption]:
    """By a captioner loaded anew."""
    return load_captioner(models / "tiny-clipcap").caption(tiny_images(), FAST)


def copies() -> list[Path]:
    return sorted(copies_folder().glob("*/*"))


def contents() -> dict[Path, tuple[dict[str, str], str]]:
    """What each copy says of itself, and the digest of its numbers; a header's order is the library's own."""
    return {path: (read_words(path), kept._digest(load_file(path))) for path in copies()}


def states() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in copies()}


@pytest.fixture
def rounded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shape of every weight that was rounded."""
    names: list[str] = []

    def noted(weight: torch.Tensor) -> dict[str, torch.Tensor]:
        names.append(str(tuple(weight.shape)))
        return dict((IN_INT8 if quick.can_int8() else IN_BF16).rounded(weight))

    for kind in ("IN_INT8", "IN_BF16"):
        old = getattr(quick, kind)
        monkeypatch.setattr(quick, kind, quick.Quick(old.name, noted, old.layer, old.kept))
    return names


def test_the_second_start_rounds_nothing_and_says_just_the_same(models: Path, rounded: list[str]) -> None:
    first = said(models)
    assert rounded and [path.name.split("-")[0] for path in copies()].count("pictures") == 1
    assert {path.parent for path in copies()} == {
        folder_of(models / name / "model.safetensors") for name in ("tiny-clip", "tiny-clipcap")
    }
    before = states()
    rounded.clear()
    assert said(models) == first  # the log-probabilities, too, to the last digit
    assert rounded == [] and states() == before


def spoil_a_number(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def be_no_copy(path: Path) -> None:
    path.write_bytes(b"something else")


def be_anothers(path: Path) -> None:
    """Whole numbers of other weights, which say that they are these."""
    words = read_words(path)
    tensors = {name: torch.zeros_like(one) for name, one in load_file(path).items()}
    save_file(tensors, str(path), words)


def say_another_processor(path: Path) -> None:
    save_file(load_file(path), str(path), {**read_words(path), "processor": "Z80"})


def hold_another_type(path: Path) -> None:
    tensors = {name: one.double() for name, one in load_file(path).items()}
    save_file(tensors, str(path), {**read_words(path), "digest": kept._digest(tensors)})


def lack_a_layer(path: Path) -> None:
    tensors = load_file(path)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, str(path), {**read_words(path), "digest": kept._digest(tensors)})


@pytest.mark.parametrize(
    "spoil", [spoil_a_number, cut_short, be_no_copy, be_anothers, say_another_processor, hold_another_type]
)
def test_a_damaged_or_foreign_copy_is_made_anew_with_a_word(
    models: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    first = said(models)
    whole = contents()
    for path in copies():
        spoil(path)  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        assert said(models) == first
    assert caplog.text.count("it is made anew") == len(whole) > 0
    assert contents() == whole


def test_a_copy_without_some_layer_is_made_whole(models: Path) -> None:
    first = said(models)
    whole = contents()
    for path in copies():
        lack_a_layer(path)
    assert said(models) == first
    assert contents() == whole


def test_other_weights_under_the_same_name_get_a_copy_of_their_own(models: Path, tmp_path: Path) -> None:
    first = said(models)
    weights = models / "tiny-clipcap" / "model.safetensors"
    tensors = {name: one * 1.5 for name, one in load_file(weights).items()}
    save_file(tensors, str(weights))
    changed = said(models)
    shutil.rmtree(tmp_path / "cache")
    assert changed == said(models) != first


def test_of_copies_for_other_processors_only_the_newest_stay(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(models / "tiny-clip" / "model.safetensors")
    for number, name in enumerate(["one", "two", "three"]):
        monkeypatch.setattr(kept, "capability", lambda name=name: name)
        said(models)
        for path in folder.iterdir():
            if read_words(path)["processor"] == name:
                os.utime(path, (number, number))
    assert sorted(read_words(path)["processor"] for path in folder.iterdir()) == ["three", "two"]


def test_copies_go_with_the_model_and_what_is_not_ours_stays(models: Path) -> None:
    said(models)
    weights = models / "tiny-clip" / "model.safetensors"
    other = folder_of(weights) / "notes.txt"
    other.write_text("mine")
    forget_copies([weights, models / "never" / "model.safetensors"])
    assert [path.name for path in folder_of(weights).iterdir()] == ["notes.txt"]
    other.unlink()
    forget_copies([models / "tiny-clipcap" / "model.safetensors"])
    assert copies() == [] and not folder_of(models / "tiny-clipcap" / "model.safetensors").exists()


def test_copies_of_weights_that_were_deleted_by_hand_go_when_others_are_kept(
    models: Path, tmp_path: Path
) -> None:
    said(models)
    gone = {path.parent for path in copies()}
    os.rename(models, tmp_path / "moved")
    said(tmp_path / "moved")
    assert len({path.parent for path in copies()}) == 2 and not gone & {path.parent for path in copies()}


def test_where_nothing_can_be_kept_the_caption_comes_all_the_same(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = said(models)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert said(models) == first
    assert "could not be kept" in caplog.text


def test_a_model_whose_weights_are_gone_meanwhile_is_rounded_and_not_kept(models: Path) -> None:
    captioner = load_captioner(models / "tiny-clipcap")
    shutil.rmtree(models)
    assert captioner.caption(tiny_images(), FAST)
    assert copies() == []
