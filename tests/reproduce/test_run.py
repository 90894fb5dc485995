"""The command on drawn photos: rows trained, scored both ways, kept and rendered; what it refuses, what stays
open."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from miniature_sets import write_coco, write_conceptual, write_nocaps
from tiny_language import write_language_model
from tiny_rows import words
from tiny_tasks import captions_of

from clipcap_ext.corpus import __main__ as corpus_door
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.metrics import score
from clipcap_ext.reproduce import run
from clipcap_ext.reproduce.__main__ import main
from clipcap_ext.reproduce.parts import LANGUAGE_MODEL
from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import recipes
from clipcap_ext.reproduce.results import assemble
from clipcap_ext.reproduce.scores import read_scores
from clipcap_ext.reproduce.stand_in import stand_in
from clipcap_ext.reproduce.states import NEEDS, NOT_RUN, SAME_CODE, SMOKE

java = pytest.mark.java


def row_of(out: Path, name: str, table: str = "flickr8k") -> dict[str, Any]:
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["tables"][table]["rows"]
    return next(row for row in rows if row["name"] == name)


@java
def test_a_row_says_what_was_measured_and_how(made: Path) -> None:
    row = row_of(made, "gradient")
    full, ours = row["attempts"]
    assert full["state"] == NEEDS and "clipcap_ext download clipcap-flickr8k-gradient &&" in full["command"]
    assert ours["state"] == SAME_CODE and ours["seeds"] == [0, 1] and ours["subset"]
    assert ours["command"].endswith("--stand-in --seeds 0,1")
    assert ours["protocols"]["paper"]["signature"].startswith(
        "cap|data:flickr8k|split:karpathy-test|n:2|tok:raw-lower-dot|"
    )
    assert "|tok:ptb|" in ours["protocols"]["standard"]["signature"]
    bleu = ours["protocols"]["paper"]["values"]["BLEU-1"]
    assert bleu["difference"] == pytest.approx(bleu["value"] - row["paper"]["BLEU-1"], abs=1e-4)
    assert bleu["interval"][0] <= bleu["value"] <= bleu["interval"][1] and len(bleu["seeds"]) == 2
    assert all("difference" not in one for one in ours["protocols"]["standard"]["values"].values())
    assert (
        ours["hours"] is not None
        and re.search(r", (1 core|\d+ cores)(;|$)", ours["hardware"][0])
        and [one["epoch"] for one in ours["curve"] if "val_loss" in one] == [0]
    )
    assert sum(one["captions"] for one in ours["lengths"]) == 4


@java
def test_values_are_those_of_the_scorer_on_the_kept_captions(made: Path, drawn: Path) -> None:
    (recipe,) = recipes("flickr8k", "frozen")
    kept = read_scores(Places(made, True).scores(stand_in(recipe), 0))
    captions = dict(zip(kept["image_ids"], kept["captions"], strict=True))
    references = {name: captions_of(int(name[:3])) for name in captions}
    (ours,) = (one for one in row_of(made, "frozen")["attempts"] if "protocols" in one)
    for protocol in ("paper", "standard"):
        scored = score(captions, references, protocol, ["BLEU", "ROUGE-L", "CIDEr-D"]).values
        said = {name: figures["value"] for name, figures in ours["protocols"][protocol]["values"].items()}
        assert said == pytest.approx(scored, abs=1e-4)


@java
def test_the_frozen_row_keeps_the_gpt2_of_the_gradient_row(made: Path) -> None:
    from clipcap_ext.engine.clipcap.checkpoint import load_clipcap

    def gpt2(run: str) -> dict[str, Any]:
        folder = made / "runs" / "flickr8k" / f"{run}-stand-in-seed0" / "best"
        return load_clipcap(folder, read_config(folder)).gpt2.state_dict()

    kept, source = gpt2("frozen"), gpt2("gradient")
    assert all(kept[name].equal(source[name]) for name in source)


@java
def test_finished_rows_are_kept(
    made: Path, drawn: Path, bpe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (made / "scores").rglob("*.json")}
    assert main(words(drawn, bpe, made, "--row", "gradient", "--seeds", "0,1")) == 0
    assert {path: path.stat().st_mtime_ns for path in (made / "scores").rglob("*.json")} == before
    assert "captioning" not in capsys.readouterr().err
    assert main(words(drawn, bpe, made, "--row", "gradient", "--seeds", "0,2", "--dry-run")) == 0
    there, new = capsys.readouterr().out.splitlines()
    assert (
        there.endswith("is there already")
        and "trains flickr8k-gradient with the encoder tiny-clip-lite0" in new
    )


@java
def test_a_finished_training_is_scored_and_not_repeated(
    made: Path, drawn: Path, bpe: Path, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "again")
    scores = next((tmp_path / "again" / "scores").rglob("frozen-*.json"))
    whole = scores.read_text(encoding="utf-8")
    scores.unlink()
    weights = (
        tmp_path / "again" / "runs" / "flickr8k" / "frozen-stand-in-seed0" / "best" / "model.safetensors"
    )
    trained_at = weights.stat().st_mtime_ns
    assert main(words(drawn, bpe, tmp_path / "again", "--row", "frozen")) == 0
    assert weights.stat().st_mtime_ns == trained_at
    assert json.loads(scores.read_text(encoding="utf-8"))["captions"] == json.loads(whole)["captions"]


@java
def test_the_same_runs_give_the_same_files(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "scores", tmp_path / "scores")
    run.publish(tmp_path)
    for name in ("results.json", "results.md", "results/flickr8k-metrics.svg", "results/flickr8k-loss.svg"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes(), name
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "](results/flickr8k-metrics.svg)" in text and str(made) not in text
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "results.md").unlink()
    assert main(["--out", str(tmp_path), "--render"]) == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == text


@java
def test_a_row_with_another_language_model(
    drawn: Path, bpe: Path, small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Left open where the model's folder is not named; made with it, the page says which it was."""
    monkeypatch.chdir(tmp_path)
    asked = words(drawn, bpe, tmp_path / "out", "--row", "smollm2-frozen")
    assert main([*asked, "--dry-run"]) == 1
    assert "stays open; needs SmolLM2-135M\n" in capsys.readouterr().out
    assert main(asked) == 1
    said = capsys.readouterr()
    assert "by --lm" in said.err and "needs SmolLM2-135M; hf download " in said.out
    assert "--row smollm2-frozen --data flickr8k --out reproduced --stand-in" in said.out
    write_language_model(tmp_path / "own-llama", "llama", captions_of(0) + captions_of(1))
    named = [*asked, "--lm", "own-llama"]
    assert main([*named, "--dry-run"]) == 0
    assert "trains flickr8k-gradient with the encoder tiny-clip-lite0" in capsys.readouterr().out
    assert main(named) == 0
    full, ours = row_of(tmp_path / "out", "smollm2-frozen")["attempts"]
    assert full["state"] == NEEDS and "SmolLM2-135M" in full["needs"]
    (language,) = (part for part in ours["parts"] if part["what"] == LANGUAGE_MODEL)
    sha256 = hashlib.sha256((tmp_path / "own-llama" / "model.safetensors").read_bytes()).hexdigest()
    assert ours["state"] == SAME_CODE and language["sha256"] == sha256
    page = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert f"of `smollm2-frozen` is own-llama (SHA-256 {sha256[:12]}...), pretrained" in page


def test_without_a_run_every_row_is_open(tmp_path: Path) -> None:
    tables = assemble(tmp_path)["tables"]
    rows = [(name, row) for name, table in tables.items() for row in table["rows"]]
    assert len(rows) == 10 + 8 + 2 + 2 + 2
    for name, row in rows:
        (only,) = row["attempts"]
        assert only["state"] == (NEEDS if only["needs"] else NOT_RUN)
        assert f"--table {name} --row {row['name']}" in only["command"]


def test_a_row_without_weights_stays_open_and_others_go_on(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcap_ext.metrics.java.find_java", lambda: "java")
    out = tmp_path / "out"
    asked = ["--table", "nocaps", "--data", str(drawn), "--out", str(out)]
    assert main([*asked, "--dry-run"]) == 1 and not out.exists()
    planned = capsys.readouterr().out
    assert planned.count("stays open; needs CLIP ") == 2 and "the training of the table coco" in planned
    assert main(asked) == 1
    said = capsys.readouterr()
    assert said.out.count(f": {NEEDS} CLIP ") == 2 and "--table coco --row mlp" in said.out
    assert "make that first" in said.err and (out / "results.md").is_file()


@pytest.mark.parametrize(
    ("more", "words_of_error"),
    [
        (["--table", "flickr8k"], "--data"),
        (["--table", "flickr9k", "--data", "."], "no table 'flickr9k'"),
        (["--table", "coco", "--row", "gradient", "--data", "."], "it has: transformer, mlp"),
        (["--table", "coco", "--data", ".", "--stand-in"], "no stand-in"),
        (["--table", "flickr8k", "--data", ".", "--seeds", "a"], "--seeds a"),
        (["--table", "flickr8k", "--data", ".", "--seeds", "1,1"], "different whole numbers"),
        (["--render"], "make a row first"),
    ],
)
def test_wrong_usage(
    more: list[str], words_of_error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out"), *more]) == 2
    assert words_of_error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", "coco", "--data", str(tmp_path / "coco"), "--out", str(tmp_path / "out")]) == 1
    assert "no such file or folder" in capsys.readouterr().err


SMALL_RUN = (
    "encoder=tiny-clip-flickr8k", "encoder_weights=", "gpt2=scratch", "tokenizer=captions", "vocab_size=300",
    "n_layer=1", "n_head=2", "n_embd=16", "n_positions=96", "prefix_length=2", "max_tokens=24", "epochs=1",
    "batch_size=4", "validate_images=2", "precision=fp32", "mapper_heads=0",
)  # fmt: skip


@java
def test_coco_and_nocaps_from_their_files_to_the_page(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A smoke run of the row whose weights nocaps takes, then nocaps; photos elsewhere, named by --images."""
    coco, nocaps, out = write_coco(tmp_path / "coco"), write_nocaps(tmp_path / "nocaps"), tmp_path / "out"
    shutil.move(nocaps.parent / "val", tmp_path / "photos")
    shutil.move(coco / "val2014", tmp_path / "more")
    smoke = [word for setting in SMALL_RUN for word in ("--set", setting)]
    words = ["--row", "mlp", "--out", str(out), "--device", "cpu", "--limit", "6", *smoke]
    asked = [
        "--table",
        "coco",
        "--data",
        str(coco / "dataset_coco.json"),
        "--images",
        str(tmp_path / "more"),
        *words,
    ]
    assert main([*asked, "--dry-run"]) == 0
    assert "trains coco-mlp, then scores it" in capsys.readouterr().out
    assert main(asked) == 0
    after = ["--table", "nocaps", "--data", str(nocaps), "--images", str(tmp_path / "photos"), *words]
    assert main([*after, "--dry-run"]) == 0
    assert "scores the finished training mlp" in capsys.readouterr().out
    assert main(after) == 0
    for table, images in (("coco", 2), ("nocaps", 6)):
        first, ours = row_of(out, "mlp", table)["attempts"]
        assert first["state"] == NEEDS and first["needs"].startswith("CLIP ViT-B-32 (openai)")
        assert ours["state"] == SMOKE and ours["data"]["images"] == images and ours["subset"]
        assert ours["smoke"] == {"limit": 6, "settings": list(SMALL_RUN)}
        assert "--limit 6 --set encoder=tiny-clip-flickr8k" in ours["command"]
    values = ours["protocols"]["standard"]["values"]
    assert {"CIDEr-D in-domain", "CIDEr-D near-domain", "CIDEr-D out-domain"} < set(values)
    assert all("difference" in values[name] for name in ("CIDEr-D", "CIDEr-D out-domain"))
    page = (out / "results.md").read_text(encoding="utf-8")
    table = page[page.index("## nocaps") :]
    header = next(line for line in table.splitlines() if line.startswith("| row | figures |"))
    assert header.count("|") == 12 and "SPICE out-domain" in header and "BLEU-1" not in header
    assert "| smoke run" in table


@java
def test_conceptual_from_its_tables_and_from_features(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A smoke run on Google's two tables, and one whose training part is a feature folder."""
    tables, features = write_conceptual(tmp_path / "tables"), write_conceptual(tmp_path / "streamed")
    made = ["--data", str(features / "Train_GCC-training.tsv"), "--images", str(features / "train")]
    encoder = ["--encoder", "tiny-clip-flickr8k", "--out", str(features / "features")]
    assert corpus_door.main(["features", *made, *encoder]) == 0
    (features / "Train_GCC-training.tsv").unlink()
    shutil.rmtree(features / "train")
    settings = [*SMALL_RUN, "holdout=2", "normalize=true"]
    smoke = [word for setting in settings for word in ("--set", setting)]
    for data in (tables, features):
        out = tmp_path / f"{data.name}-out"
        words = ["--table", "conceptual", "--row", "mlp", "--data", str(data), "--out", str(out)]
        asked = [*words, "--device", "cpu", *smoke]
        assert main([*asked, "--dry-run"]) == 0
        assert "trains conceptual-captions, then scores it" in capsys.readouterr().out
        assert main(asked) == 0
        said = capsys.readouterr().err
        assert ("1 shards, 7 training and 2 validation" in said) == (data == features)
        needed, ours = row_of(out, "mlp", "conceptual")["attempts"]
        assert needed["state"] == NEEDS and ours["state"] == SMOKE and ours["data"]["images"] == 4
        standard = ours["protocols"]["standard"]
        assert f"|data:{data.name}|split:karpathy-val|n:4|" in standard["signature"]
        assert "difference" in standard["values"]["CIDEr-D"]


def test_a_dry_run_ends_as_the_run_would(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcap_ext.metrics.java.find_java", lambda: "java")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ["--table", "flickr8k", "--row", "original", "--out", str(tmp_path / "out")]
    for data, code in ((tmp_path / "nothing", 1), (tmp_path, 1)):
        for dry in (["--dry-run"], []):
            assert main([*words, "--data", str(data), *dry]) == code
    said = capsys.readouterr().err
    assert said.count("no such file or folder") == 2 and said.count("No data set recognised") == 2
    assert not (tmp_path / "out").exists()


def test_a_stand_in_without_its_encoder_says_what_makes_it(
    drawn: Path, bpe: Path, small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A dry run ends as the real one; with another encoder, which makes a smoke run, nothing is missing."""
    monkeypatch.setenv("CLIPCAP_MODELS", str(tmp_path / "none"))
    asked = words(drawn, bpe, tmp_path / "out", "--row", "gradient")
    assert main([*asked, "--dry-run"]) == 1
    assert "needs the encoder tiny-clip-lite0, which python -m clipcap_ext.train" in capsys.readouterr().out
    assert main([*asked, "--set", "encoder=tiny-clip-flickr8k", "--dry-run"]) == 0
    assert main(asked) != 0
    assert "Train one with the preset tiny-clip-flickr8k or tiny-clip-lite0" in capsys.readouterr().err
