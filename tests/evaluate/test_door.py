"""The command from end to end with a tiny random model, without Java: results.json, the table, refusals, exit
codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny import tiny_images

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.evaluate.__main__ import main
from clipcap_ext.evaluate.report.checkpoint_scores import is_same_score
from clipcap_ext.evaluate.report.results import folder_fingerprint

QUICK = ["--protocol", "words", "--metrics", "BLEU,ROUGE-L,CIDEr-D", "--resamples", "50"]
TEST_IMAGES = ["4.png", "2.png", "5.png"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "toy"
    (folder / "Images").mkdir(parents=True)
    names = []
    for number, image in enumerate(tiny_images(6)):
        names.append(f"{number}.png")
        image.save(folder / "Images" / names[-1])
    rows = [f"{name},A dog plays in the {word} .\n" for name in names for word in ("snow", "grass")]
    (folder / "captions.txt").write_text("image,caption\n" + "".join(rows))
    for split, listed in {"train": ["0.png", "1.png"], "dev": ["3.png"], "test": TEST_IMAGES}.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(listed) + "\n")
    return folder


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may change, with its encoder beside it."""
    for name in ("tiny-clip", "tiny-clipcap"):
        shutil.copytree(tiny_folder / name, tmp_path / "models" / name)
    return tmp_path / "models" / "tiny-clipcap"


def remember(folder: Path, data: Path, names: list[str]) -> None:
    marks = [image_fingerprint(data / "Images" / name) for name in names]
    (folder / "trained_on.json").write_text(json.dumps(marks))


def test_a_checkpoint(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(model, data, ["0.png", "1.png"])
    out = tmp_path / "results.json"
    words = [
        str(model),
        "--data",
        str(data),
        *QUICK,
        "--num-beams",
        "2",
        "--batch-size",
        "2",
        "--out",
        str(out),
    ]
    assert main(words) == 0
    said, results = capsys.readouterr(), json.loads(out.read_text())
    signature = results["signature"]
    assert signature.startswith(
        "cap|data:toy|split:karpathy-test|n:3|tok:words|bleu:closest|rouge-l:beta1.2|cider:d|v:"
    )
    assert said.out.rstrip().endswith(signature) and "wrong images" in said.out
    assert "3 of 3 images captioned" in said.err
    assert sorted(results["images"]) == sorted(TEST_IMAGES)
    assert set(results["images"]["4.png"]["scores"]) == set(results["results"])
    assert set(results["controls"]) == {"wrong_images", "constant_caption"}
    low, high = results["results"]["BLEU-1"]["interval"]
    assert low <= results["results"]["BLEU-1"]["value"] <= high
    assert results["decoding"]["num_beams"] == 2 and results["decoding"]["max_new_tokens"] == 12
    assert results["model"]["training_images"] == {"remembered": 2, "scored": 0}
    assert results["model"]["fingerprint"] == folder_fingerprint(model)
    assert results["statistics"]["captions"] == 3 and results["problems"] == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["results.json"]


def test_batch_size_changes_no_caption_even_of_samples(data: Path, model: Path, tmp_path: Path) -> None:
    made = []
    for size in ("1", "3"):
        out = tmp_path / f"{size}.json"
        sampling = ["--temperature", "1", "--seed", "3", "--batch-size", size]
        assert main([str(model), "--data", str(data), *QUICK, *sampling, "--out", str(out)]) == 0
        made.append(json.loads(out.read_text())["images"])
    assert made[0] == made[1]


@pytest.mark.parametrize("where", ["tiny-clipcap", "tiny-clip"])
def test_training_images_are_refused(
    where: str, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(model.parent / where, data, ["0.png", "5.png", "2.png"])
    words = [str(model), "--data", str(data), *QUICK, "--out", str(tmp_path / "r.json")]
    assert main(words) == 1
    said = capsys.readouterr()
    assert "tiny-clipcap was trained on 2 of these 3 images (2.png, 5.png)" in said.err
    assert "--allow-training-images" in said.err and not (tmp_path / "r.json").exists()
    assert main([*words, "--allow-training-images"]) == 0
    assert "WARNING: the model was trained on 2 of these images" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["model"]["training_images"]["scored"] == 2


def test_a_renamed_copy_of_a_training_image_is_known(data: Path, model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "toy"
    shutil.copytree(data, copy)
    remember(model, data, ["0.png"])
    shutil.copy(copy / "Images" / "0.png", copy / "Images" / "4.png")
    assert main([str(model), "--data", str(copy), *QUICK]) == 1


def test_a_broken_image_is_named_and_left_out(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "toy"
    shutil.copytree(data, copy)
    (copy / "Images" / "2.png").write_bytes(b"no picture")
    assert main([str(model), "--data", str(copy), *QUICK, "--out", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert sorted(results["images"]) == ["4.png", "5.png"] and "|n:2|" in results["signature"]
    assert len(results["problems"]) == 1 and "2.png" in results["problems"][0]
    assert "1 problem, the first: 2.png" in capsys.readouterr().out


def test_hypotheses(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [
        {"image_id": i, "caption": text}
        for i, text in enumerate(["A dog plays in the snow.", "a cat", "a dog"])
    ]
    (tmp_path / "made.json").write_text(json.dumps(made))
    words = ["--hypotheses", str(tmp_path / "made.json"), "--data", str(data), "--positions", *QUICK]
    assert main([*words, "--out", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["images"]["4.png"]["scores"]["BLEU-4"] == pytest.approx(1)  # number 0 of the official list
    assert results["hypotheses"]["file"] == "made.json" and "model" not in results
    assert results["notes"] == [] and results["hypotheses"]["without_caption"] == []
    capsys.readouterr()
    assert main([*words, "--limit", "2"]) == 0
    said = capsys.readouterr().out
    assert "Captions in the file of no image of the split: 1 (2)." in said
    assert "|split:karpathy-test-first2|n:2|" in said


def test_captions_of_some_images_are_scored_without_their_photos(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "toy"
    shutil.copytree(data, copy)
    shutil.rmtree(copy / "Images")
    made = {"4.png": "A dog plays in the snow.", "5.png": "a cat", "9.png": "a cow"}
    (tmp_path / "made.json").write_text(json.dumps(made))
    words = ["--hypotheses", str(tmp_path / "made.json"), "--data", str(copy), *QUICK]
    assert main([*words, "--out", str(tmp_path / "r.json")]) == 0
    said, results = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    assert "1 of 3 images of the split have no caption in the file, and are not scored: 2.png." in said
    assert "Captions in the file of no image of the split: 1 (9.png)." in said
    assert results["hypotheses"]["without_caption"] == ["2.png"] and results["problems"] == []
    assert "|split:karpathy-test-2of3|n:2|" in results["signature"] and sorted(results["images"]) == [
        "4.png", "5.png",
    ]  # fmt: skip
    (tmp_path / "made.json").write_text(json.dumps([{"image_id": 0, "caption": "a dog"}]))
    assert main(words) == 1
    assert "None of the 1 captions" in (said := capsys.readouterr().err) and "--positions" in said


def test_what_the_package_writes_it_scores(data: Path, model: Path, tmp_path: Path) -> None:
    from clipcap_ext.__main__ import main as package

    made = tmp_path / "made.jsonl"
    with made.open("w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        assert package(["caption", str(data / "Images"), "--model", str(model), "--json"]) == 0
    out = tmp_path / "r.json"
    words = ["--data", str(data), *QUICK]
    assert main([str(model), *words, "--out", str(out)]) == 0
    itself = json.loads(out.read_text())
    for file in (made, out):
        again = tmp_path / "again.json"
        assert main(["--hypotheses", str(file), *words, "--out", str(again)]) == 0
        assert json.loads(again.read_text())["images"] == itself["images"]


def test_one_image_alone(data: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model), "--data", str(data), *QUICK, "--limit", "1"]) == 0
    said = capsys.readouterr().out
    assert "CIDEr-D needs more than one image" in said and "wrong images" not in said


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-clipcap"])
def test_retrieval(
    name: str, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.json"
    assert main([str(model.parent / name), "--retrieval", "--data", str(data), "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    data_part = "ret|data:toy|split:karpathy-test|images:3|texts:6"
    assert results["signature"].startswith(f"{data_part}|ties:worst:1e-6|v:")
    assert results["results"]["text-to-image R@5"]["value"] == 1.0
    # Every image has the same two captions, so each ties with the other images' and counts as missed.
    assert results["results"]["image-to-text R@1"]["value"] == 0.0
    assert "text-to-image R@10" in capsys.readouterr().out


def test_retrieval_refuses_training_images(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = model.parent / "tiny-clip"
    remember(encoder, data, ["4.png"])
    assert main([str(encoder), "--retrieval", "--data", str(data)]) == 1
    assert "was trained on 1 of these 3 images (4.png)" in capsys.readouterr().err


def test_recorded_scores_are_read_again_and_replaced(data: Path, model: Path) -> None:
    before = folder_fingerprint(model)
    for _ in range(2):
        assert main([str(model), "--data", str(data), *QUICK, "--record"]) == 0
    (row,) = read_config(model).scores
    assert row["signature"].startswith("cap|data:toy") and "CIDEr-D" in row["values"]
    assert main([str(model), "--data", str(data), *QUICK, "--record", "--num-beams", "2"]) == 0
    assert [one["decoding"]["num_beams"] for one in read_config(model).scores] == [1, 2]
    assert folder_fingerprint(model) == before


def test_a_row_from_before_an_option_was_made_is_replaced_too() -> None:
    row = {"signature": "s", "decoding": {**vars(DecodingOptions()), "strategy": "greedy"}}
    old = {"signature": "s", "decoding": {"num_beams": 1, "strategy": "greedy"}}
    assert is_same_score(old, row)
    assert not is_same_score({**old, "signature": "t"}, row)
    assert not is_same_score({**old, "decoding": {"num_beams": 2, "strategy": "beams"}}, row)


@pytest.mark.parametrize("name", ["model.safetensors", "merges.txt", "words.json", "labels.json"])
def test_another_file_that_decides_what_is_said_makes_another_model(model: Path, name: str) -> None:
    before = folder_fingerprint(model)
    (model / name).write_bytes(b"another")
    assert folder_fingerprint(model) != before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Give a model or --hypotheses"),
        (["MODEL", "--hypotheses", "x.json"], "one of the two"),
        (["--hypotheses", "x.json", "--num-beams", "3"], "decoding options do nothing"),
        (["MODEL", "--positions"], "does nothing without"),
        (["MODEL", "--retrieval", "--temperature", "1"], "decoding options do nothing"),
        (["MODEL", "--temperature", "1", "--num-beams", "2"], "exclude each other"),
        (["MODEL", "--top-k", "5"], "top_k does nothing"),
        (["MODEL", "--metrics", "CIDEr"], "known: BLEU"),
        (
            ["MODEL", "--retrieval", "--clip-score", "x"],
            "--clip-score, --human and decoding options do nothing",
        ),
        (["MODEL", "--out", "nowhere/at/all/r.json"], "existing folder"),
    ],
)
def test_wrong_usage(
    words: list[str], message: str, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = [] if "--retrieval" in words or "--metrics" in words else QUICK
    given = [str(model) if word == "MODEL" else word for word in words]
    assert main([*given, "--data", str(data), *quick]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "flag", "message"),
    [("no-model", [], "No model named"), ("no-encoder", ["--retrieval"], "is not here")],
)
def test_unknown_names(
    name: str, flag: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--data", str(data), *flag, *([] if flag else QUICK)]) == 2
    assert message in capsys.readouterr().err


def test_no_java_is_said_before_captioning(
    data: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(model), "--data", str(data)]) == 1
    said = capsys.readouterr().err
    assert "default-jre-headless" in said and "captioning" not in said


def test_clip_score_and_the_human_line(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.json"
    judge = str(tmp_path / "judge")
    shutil.copytree(model.parent / "tiny-clip", judge)
    weights = json.loads((tmp_path / "judge" / "open_clip_config.json").read_text())
    weights["preprocess_cfg"]["resize_mode"] = "shortest"  # sees photos otherwise, so it is another encoder
    (tmp_path / "judge" / "open_clip_config.json").write_text(json.dumps(weights))
    words = [str(model), "--data", str(data), *QUICK, "--out", str(out)]
    assert main([*words, "--clip-score", judge, "--human"]) == 0
    results, said = json.loads(out.read_text()), capsys.readouterr().out
    assert "|clipscore:w2.5:judge:" in results["signature"] and results["notes"] == []
    assert (
        {"CLIPScore", "RefCLIPScore"} < set(results["results"]) == set(results["images"]["4.png"]["scores"])
    )
    assert "RefCLIPScore" in results["controls"]["wrong_images"]["results"]
    assert "best person" in said and set(results["human"]) == set(results["results"]) - {
        "CLIPScore",
        "RefCLIPScore",
    }
    # two references that differ in one word of six: five of six words match
    assert results["human"]["BLEU-1"] == {"one": pytest.approx(5 / 6), "best": pytest.approx(5 / 6)}


def test_the_tower_that_made_the_captions_is_told_and_the_one_that_ranked_is_refused(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(model), "--data", str(data), *QUICK, "--clip-score", str(model)]
    assert main(words) == 0
    assert "it may be kind to them" in capsys.readouterr().out
    ranked = ["--num-beams", "3", "--num-candidates", "3", "--rank-by", "similarity"]
    assert main([*words, *ranked]) == 1
    assert "the same encoder chose them among others" in capsys.readouterr().err


def test_clip_score_of_hypotheses(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{"image_id": i, "caption": text} for i, text in enumerate(["a dog", "a cat", "a dog"])]
    (tmp_path / "made.json").write_text(json.dumps(made))
    encoder = model.parent / "tiny-clip"
    remember(encoder, data, ["4.png"])
    words = [
        "--hypotheses",
        str(tmp_path / "made.json"),
        "--positions",
        "--data",
        str(data),
        *QUICK,
        "--clip-score",
        str(encoder),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert (
        "The encoder of CLIPScore was trained on 1 of these 3 images" in said
        and "CLIPScore means little if" in said
    )


@pytest.mark.java
def test_spice_without_its_models_is_said_before_captioning(
    data: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("clipcap_ext.metrics.spice.MODELS", ("spice/lib/no-such-models.jar",))
    assert main([str(model), "--data", str(data), "--protocol", "words", "--metrics", "SPICE"]) == 1
    said = capsys.readouterr().err
    assert "put no-such-models.jar into" in said and "captioning" not in said


def test_a_failed_write_leaves_the_old_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipcap_ext.evaluate.report import results

    path = tmp_path / "r.json"
    results.write_results(path, {"old": 1})
    monkeypatch.setattr(results.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        results.write_results(path, {"new": 1})
    assert json.loads(path.read_text()) == {"old": 1} and list(tmp_path.iterdir()) == [path]
