"""A BLIP captioner's file as its authors publish it: told, read as data, then the same numbers and words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image
from published_blip import BEGIN, SIZE, WORDS, greedy, logits, save_blip, see, small_blip, write_words
from tiny_image_to_text import pictures
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.catalog import find_model, list_models
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.published.conversion import convert_file
from clipcap_ext.engine.published.inspection import inspect_file
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.errors import CheckpointError

NAME = "model_base_caption_capfilt_large.pth"
GREEDY = DecodingOptions(max_new_tokens=8)


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache of the test's own."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_words(tmp_path / "models")
    return save_blip(tmp_path / "models" / NAME)


def test_it_is_told_by_its_shapes(file: Path) -> None:
    assert str(inspect_file(file)) == (
        "BLIP, 2 layers, 128 wide, that see 32 pixels; 2, 128 wide, that write with 37 tokens"
    )


def test_transformers_model_gives_the_same_numbers(file: Path, tmp_path: Path) -> None:
    state = small_blip()
    folder = convert_file(file, tmp_path / "blip")
    model = transformers.BlipForConditionalGeneration.from_pretrained(folder).eval()
    pixels = torch.randn(2, 3, SIZE, SIZE)
    ids = torch.tensor([[BEGIN, 5, 9, 33], [BEGIN, 31, 6, 7]])
    with torch.no_grad():
        seen = model.vision_model(pixels)[0]
        said = model.text_decoder(ids, encoder_hidden_states=seen, return_dict=True, is_decoder=True)[0]
    assert torch.allclose(seen, see(state, pixels), atol=1e-5)
    assert torch.allclose(said, logits(state, ids, see(state, pixels)), atol=1e-3)


@pytest.mark.parametrize("count", [1, 5])
def test_the_file_captions_as_its_authors_wrote_it(file: Path, count: int) -> None:
    captioner = load_captioner(file)
    texts = [one.text for one in captioner.caption(pictures(count), GREEDY)]
    pixels = torch.stack([captioner.prepare(picture).pixels for picture in pictures(count)])
    wanted = greedy(small_blip(), pixels, 8)
    assert [text.rstrip(" .") for text in texts] == [text.rstrip(" .") for text in wanted]
    assert count == 1 or len(set(texts)) > 1


def test_pictures_are_prepared_as_its_authors_do(file: Path) -> None:
    captioner = load_captioner(file)
    plain = captioner.prepare(Image.new("RGB", (50, 20), (255, 128, 0))).pixels
    golden = torch.tensor([1.930336, 0.168896, -1.480220])  # (value / 255 - mean) / deviation, by hand
    assert plain.shape == (3, SIZE, SIZE)
    assert torch.allclose(plain, golden[:, None, None].expand_as(plain), atol=1e-4)


def test_an_older_file_and_half_precision_are_read(tmp_path: Path) -> None:
    write_words(tmp_path)
    torch.save({"model": small_blip()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    half = {name: one.half() if one.is_floating_point() else one for name, one in small_blip().items()}
    save_blip(tmp_path / "half.pth", half)
    texts = [load_captioner(tmp_path / name).caption(pictures(2), GREEDY) for name in ("old.pth", "half.pth")]
    assert [one.text for one in texts[0]] == [one.text for one in texts[1]]


def test_what_pretraining_left_in_it_is_not_needed(tmp_path: Path) -> None:
    write_words(tmp_path)
    more = {"text_encoder.embeddings.word_embeddings.weight": torch.zeros(3, 4), "temp": torch.zeros(1)}
    file = save_blip(tmp_path / "blip.pth", {**small_blip(), **more})
    assert load_captioner(file).caption(pictures(1), GREEDY)[0].text


def without(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.pop(name)


def changed(name: str, value: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.update({name: value})


WRONG = {
    "missing": (without("visual_encoder.blocks.1.attn.qkv.bias"), "missing 1 .*blocks.1.attn.qkv.bias"),
    "no patches": (without("visual_encoder.patch_embed.proj.weight"), "patch_embed.proj.weight is missing"),
    "unknown": (changed("text_decoder.more", torch.zeros(2)), "not known 1 .*text_decoder.more"),
    "other size": (changed("visual_encoder.norm.bias", torch.zeros(7)), r"\(7,\), and a float of \(128,\)"),
    "not finite": (changed("visual_encoder.norm.bias", torch.full((128,), torch.nan)), "not finite"),
    "not shared": (changed("text_decoder.cls.predictions.decoder.bias", torch.ones(37)), "shares the two"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_and_nothing_made(case: str, tmp_path: Path) -> None:
    change, said = WRONG[case]
    state = small_blip()
    change(state)
    write_words(tmp_path)
    file = save_blip(tmp_path / "blip.pth", state)
    with pytest.raises(CheckpointError, match=said):
        load_captioner(file)
    assert not (tmp_path / "blip").exists()


def test_without_a_vocabulary_one_line_says_what_to_fetch(tmp_path: Path) -> None:
    file = save_blip(tmp_path / "models" / "blip.pth")
    with pytest.raises(CheckpointError, match=r"bert-base-uncased/resolve/main/vocab\.txt") as told:
        load_captioner(file)
    assert "\n" not in str(told.value)
    (entry,) = [one for one in list_models(folders=[tmp_path / "models"]) if one.name == "blip"]
    assert "vocab.txt" in entry.problem


@pytest.mark.parametrize("repo", ["bert-base-uncased", "google-bert--bert-base-uncased"])
def test_the_vocabulary_comes_from_the_hugging_face_cache(tmp_path: Path, no_cache: Path, repo: str) -> None:
    write_words(no_cache / f"models--{repo}" / "snapshots" / "abc")
    file = save_blip(tmp_path / "models" / "blip.pth")
    assert load_captioner(file).caption(pictures(1), GREEDY)[0].text


def test_another_vocabulary_is_not_taken(tmp_path: Path, no_cache: Path) -> None:
    file = save_blip(tmp_path / "models" / "blip.pth")
    (write_words(tmp_path / "other")).write_text("\n".join(WORDS[:-1]) + "\n")
    with pytest.raises(CheckpointError, match=r"34 words.*35"):
        convert_file(file, tmp_path / "out", PublishedParts(tokenizer=tmp_path / "other"))
    (tmp_path / "models" / "vocab.txt").write_text("a\nb\n")  # somebody else's, beside it
    write_words(no_cache / "models--bert-base-uncased" / "snapshots" / "abc")
    assert convert_file(file, tmp_path / "out").is_dir()


def test_the_webuis_own_is_offered_once_and_used(tmp_path: Path) -> None:
    models = tmp_path / "webui" / "models"
    write_words(models / "BLIP")
    save_blip(models / "BLIP" / NAME)
    ours = models / "ClipCap"
    ours.mkdir()
    entry = find_model("webui-blip", folders=[ours])
    assert not entry.problem and entry.size > 1_000_000
    before = load_captioner("webui-blip", folders=[ours]).caption(pictures(2), GREEDY)
    listed = [one for one in list_models(folders=[ours]) if one.folder.parent == ours]
    assert [(one.name, one.problem, one.file) for one in listed] == [("webui-blip", "", None)]
    assert sorted(path.name for path in (models / "BLIP").iterdir()) == [NAME, "vocab.txt"]  # the WebUI's own
    assert load_captioner("webui-blip", folders=[ours]).caption(pictures(2), GREEDY) == before
    assert (ours / "webui-blip" / "README.md").read_text().startswith('---\nlicense: "bsd-3-clause"')


def test_a_changed_file_is_converted_anew(file: Path) -> None:
    first = load_captioner(file).caption(pictures(1), GREEDY)[0]
    save_blip(file, small_blip(seed=9))
    os.utime(file, (2e9, 2e9))  # of the same size, and perhaps written within the same second
    listed = [one.name for one in list_models(folders=[file.parent])]
    assert listed.count(file.stem) == 1
    assert load_captioner(file).caption(pictures(1), GREEDY)[0].text != first.text
