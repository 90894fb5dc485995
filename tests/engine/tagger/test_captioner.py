"""A tagger's pictures, probabilities, thresholds and words, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_tagger import FACE, SIDE, TAGS, onnx_model, probability, write_tagger

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.catalog import find_model, list_models
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.tagger import describing
from clipcap_ext.engine.tagger.looking import square
from clipcap_ext.errors import CaptionError, CheckpointError, UsageError

RUNS = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None,
    reason="onnxruntime is not installed here: pip install .[taggers]",
)
OPTIONS = DecodingOptions()


def colour(red: int, green: int, blue: int, size: tuple[int, int] = (20, 20)) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tagger(tmp_path / "models" / "tiny-tagger")


def test_a_picture_stands_in_a_white_square_in_bgr() -> None:
    picture = Image.new("RGB", (4, 2), (10, 20, 30))
    picture.putpixel((3, 1), (200, 100, 50))
    found = square(picture, 4)
    assert found.dtype == np.float32 and found.shape == (4, 4, 3)
    assert (found[0] == 255).all() and (found[3] == 255).all()  # one row above and one below
    assert found[1, 0].tolist() == [30, 20, 10] and found[2, 3].tolist() == [50, 100, 200]


def test_an_odd_row_goes_below_and_what_is_clear_is_white() -> None:
    found = square(Image.new("RGB", (4, 3)), 4)
    assert (found[:3] == 0).all() and (found[3] == 255).all()
    assert (square(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), 2) == 255).all()


def test_a_picture_is_brought_to_the_models_size_bicubically() -> None:
    steps = Image.fromarray(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)).convert("RGB")
    wanted = np.asarray(steps.resize((4, 4), Image.Resampling.BICUBIC), dtype=np.float32)
    assert (square(steps, 4) == wanted).all() and square(steps, 16).shape == (16, 16, 3)


@RUNS
def test_tags_stand_by_their_probability(folder: Path) -> None:
    (caption,) = load_captioner(folder).caption([colour(255, 200, 150)])
    assert caption.text == "red eyes, long green hair, blue sky, >_<"
    wanted = [probability((150, 200, 255), tag) for tag in (4, 3, 2)] + [FACE]
    assert [one.similarity for one in caption.keywords] == pytest.approx(wanted, abs=1e-4)
    assert {one.facet for one in caption.keywords} == {"general"}
    (candidate,) = caption.candidates
    assert candidate.avg_logprob == pytest.approx(np.log(wanted).mean(), abs=1e-3)
    assert candidate.text == caption.text and caption.doubt is None


@RUNS
def test_each_threshold_is_for_its_own_tags(folder: Path) -> None:
    captioner, cyan = load_captioner(folder), colour(127, 180, 160)
    miku = probability((160, 180, 127), 6)
    assert 0.85 < miku < 0.95
    names = captioner.caption([cyan])[0].text.split(", ")
    assert names[0] == "hatsune miku (vocaloid)" and "general" not in names
    high = DecodingOptions(character_threshold=0.95)
    assert "miku" not in captioner.caption([cyan], high)[0].text
    strict = DecodingOptions(general_threshold=0.95, character_threshold=0.85)
    assert captioner.caption([cyan], strict)[0].text == "hatsune miku (vocaloid)"
    kept = DecodingOptions(underscores="kept")
    assert captioner.caption([cyan], kept)[0].text.startswith("hatsune_miku_(vocaloid), long_green_hair")


@RUNS
def test_where_nothing_is_probable_enough_it_is_not_sure(folder: Path) -> None:
    (caption,) = load_captioner(folder).caption([colour(0, 0, 0)], DecodingOptions(general_threshold=0.5))
    assert caption.text == ">_<" and caption.doubt is not None
    assert (caption.doubt.value, caption.doubt.least) == (pytest.approx(FACE, abs=1e-4), 0.5)


@RUNS
def test_equal_probabilities_stand_in_the_lists_order(folder: Path) -> None:
    (caption,) = load_captioner(folder).caption([colour(200, 200, 200)])
    assert caption.text == "blue sky, long green hair, red eyes, hatsune miku (vocaloid), >_<"


@RUNS
def test_a_batch_says_to_the_digit_what_each_picture_does_alone(folder: Path) -> None:
    captioner = load_captioner(folder)
    generator = np.random.default_rng(3)
    pictures = [
        Image.fromarray(generator.integers(0, 256, (9 + place, 12, 3), dtype=np.uint8)) for place in range(7)
    ]
    together = captioner.caption(pictures)
    assert together == [captioner.caption([picture])[0] for picture in pictures]
    prepared = [captioner.prepare(picture) for picture in pictures]
    assert captioner.caption(prepared) == together
    assert captioner.caption_looked(captioner.look(prepared)) == together
    assert captioner.caption([]) == []


@RUNS
def test_outputs_without_their_sigmoid_get_it(tmp_path: Path, folder: Path) -> None:
    plain = load_captioner(write_tagger(tmp_path / "logits", logits=True)).caption([colour(255, 200, 150)])
    own = load_captioner(folder).caption([colour(255, 200, 150)])
    assert plain[0].text == own[0].text
    assert [one.similarity for one in plain[0].keywords] == pytest.approx(
        [one.similarity for one in own[0].keywords], abs=2e-4
    )


@RUNS
def test_options_of_writers_are_refused_and_known(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"num_beams=3.*tagger"):
        load_captioner(folder).caption([colour(0, 0, 0)], DecodingOptions(num_beams=3))
    entry = find_model("tiny-tagger", folders=[folder.parent])
    assert entry.usable_config().kind == "tagger"
    assert set(entry.lacking) == set(DecodingOptions.table()) - {
        "general_threshold", "character_threshold", "underscores",
    }  # fmt: skip


@RUNS
def test_it_reads_no_text_and_moves_by_device(folder: Path) -> None:
    captioner = load_captioner(folder)
    with pytest.raises(UsageError, match="CLIP"):
        captioner.encoder.encode_text(["a dog"])
    assert captioner.to("cpu").encoder.device == torch.device("cpu")
    assert len(captioner.encoder.fingerprint) == 64


def test_thresholds_are_no_options_of_writers() -> None:
    bundled = find_model("tiny-flickr8k")
    with pytest.raises(UsageError, match="general_threshold"):
        DecodingOptions(general_threshold=0.5).check_without(bundled.lacking)


def more_tags(folder: Path) -> None:
    with (folder / "selected_tags.csv").open("a") as file:
        file.write("99,more,0,1\n")


def no_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"<html>not found</html>")


def of_no_square(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(onnx_model(SIDE, shape=["batch", SIDE, SIDE + 1, 3]))


def ratings_alone(folder: Path) -> None:
    rows = [f"{number},{name},9,1" for number, (name, _, _) in enumerate(TAGS)]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *rows]))


@RUNS
@pytest.mark.parametrize(
    ("change", "said"),
    [(more_tags, "gives 7 numbers a picture, and the list beside it has 8 tags"),
     (no_onnx, "no model that onnxruntime .* can load"), (of_no_square, r"\(batch, side, side, 3\)"),
     (ratings_alone, "no general tag")],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(folder: Path, change: object, said: str) -> None:
    assert callable(change)
    change(folder)
    with pytest.raises(CheckpointError, match=said) as told:
        load_captioner(folder)
    assert "\n" not in str(told.value)


def test_a_model_without_its_tags_is_listed_with_what_it_lacks(folder: Path) -> None:
    (folder / "selected_tags.csv").unlink()
    (entry,) = (one for one in list_models(folders=[folder.parent]) if one.name == "tiny-tagger")
    assert "selected_tags.csv" in entry.problem
    with pytest.raises(CaptionError, match=r"selected_tags\.csv"):
        load_captioner("tiny-tagger", folders=[folder.parent])


def test_a_config_of_another_library_beside_it_changes_nothing(folder: Path) -> None:
    (folder / "config.json").write_text('{"architecture": "vit_base_patch16_224", "num_classes": 7}')
    entry = find_model(folder)
    assert entry.problem == "" or "onnxruntime" in entry.problem


def test_without_onnxruntime_one_line_says_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"pip install onnxruntime$") as told:
        load_captioner("tiny-tagger", folders=[folder.parent])
    assert "\n" not in str(told.value)
