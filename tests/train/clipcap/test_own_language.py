"""Another language model than GPT-2, trained and captioning in its own script from the command line, and a
word for each folder that is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_language import change_config, write_language_model
from tiny_tasks import COLOURS, write_flickr

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.train.__main__ import main
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.own_language import read_language_folder
from clipcap_ext.train.presets import PRESETS
from clipcap_ext.train.run import resolve_start

JAPANESE = {"red": "赤", "green": "緑", "blue": "青", "white": "白"}
CHINESE = {"red": "红色", "green": "绿色", "blue": "蓝色", "white": "白色"}
SETTINGS = (
    "epochs=120", "batch_size=8", "lr=1e-2", "encoder_weights=", "prefix_length=3", "mapper_dropout=0",
    "feature_noise=0", "views=1", "label_smoothing=0", "ema=0", "weight_decay=0", "warmup_steps=2",
    "precision=fp32", "max_tokens=24", "log_every=50", "save_every=0", "device=cpu", "monitor=val_loss",
    "num_beams=1", "validate_images=2",
)  # fmt: skip


def captions_of(script: str, i: int) -> list[str]:
    """The two captions of photo `i` in Japanese or Chinese."""
    names = list(COLOURS)
    words = JAPANESE if script == "japanese" else CHINESE
    left, right = words[names[i % 4]], words[names[(i // 4 + 1) % 4]]
    if script == "japanese":
        return [f"左は{left}の四角、右は{right}の四角です。", f"{left}と{right}の四角。"]
    return [f"左边是{left}方块,右边是{right}方块。", f"{left}和{right}的方块。"]


def write_data(folder: Path, script: str) -> list[str]:
    """The drawn photos of write_flickr with captions in that script; returns these."""
    folder.mkdir()
    write_flickr(folder)
    groups = [captions_of(script, i) for i in range(14)]
    lines = [f"{i:03}.jpg#{k}\t{text}" for i, group in enumerate(groups) for k, text in enumerate(group)]
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [text for group in groups for text in group]


def train_words(data: Path, out: Path, encoder: Path, lm: Path, *more: str) -> list[str]:
    settings = [*SETTINGS, f"encoder={encoder}", f"lm={lm}", *more]
    words = ["tiny-flickr8k", "--data", str(data), "--out", str(out)]
    return [*words, *(word for setting in settings for word in ("--set", setting))]


def command(*words: str) -> str:
    """The output of `python -m clipcap_ext ...`, as a person runs it."""
    run = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def pictures(data: Path) -> list[str]:
    return [str(data / "Images" / f"{i:03}.jpg") for i in range(4)]


def learnt(script: str, said: list[str]) -> bool:
    """Whether all is in that script alone, and at least three of four pictures got a caption of their own."""
    right = sum(text in captions_of(script, i) for i, text in enumerate(said))
    letters = set("".join(text for i in range(14) for text in captions_of(script, i)))
    return right >= 3 and set("".join(said)) <= letters


def test_a_llama_is_trained_and_captions_in_japanese(tmp_path: Path, tiny_folder: Path) -> None:
    """As a person types it; the checkpoint holds all that it needs."""
    texts = write_data(tmp_path / "data", "japanese")
    write_language_model(tmp_path / "lm", "llama", texts, tied=False)
    out, encoder = tmp_path / "out", tiny_folder / "tiny-clip"
    command("clipcap_ext.train", *train_words(tmp_path / "data", out, encoder, tmp_path / "lm"))
    shutil.rmtree(tmp_path / "lm")
    held = read_config(out / "best").model
    assert held["lm"]["model_type"] == "llama" and "gpt2" not in held
    words = ("caption", "--model", str(out / "last"), "--json", *pictures(tmp_path / "data"))
    said = [json.loads(line)["caption"] for line in command("clipcap_ext", *words).splitlines()]
    assert learnt("japanese", said), said


def test_a_gpt2_with_a_tokenizer_of_its_own_is_trained_and_captions_in_chinese(
    tmp_path: Path, tiny_folder: Path
) -> None:
    texts = write_data(tmp_path / "data", "chinese")
    write_language_model(tmp_path / "lm", "gpt2", texts)
    out, encoder = tmp_path / "out", tiny_folder / "tiny-clip"
    assert main(train_words(tmp_path / "data", out, encoder, tmp_path / "lm")) == 0
    photos = [Image.open(path) for path in pictures(tmp_path / "data")]
    captioner = load_captioner(out / "last")
    for options in (None, DecodingOptions(num_beams=3)):
        said = [caption.text for caption in captioner.caption(photos, options)]
        assert learnt("chinese", said), said


def test_the_checkpoint_says_what_the_trained_model_says(tmp_path: Path, tiny_folder: Path) -> None:
    """A frozen language model comes back as it was, and an exported one can be gone on from."""
    texts = write_data(tmp_path / "data", "japanese")
    write_language_model(tmp_path / "lm", "llama", texts)
    out, encoder = tmp_path / "out", tiny_folder / "tiny-clip"
    frozen = ("trained=mapper", "epochs=1", "save_dtype=fp32")
    assert main(train_words(tmp_path / "data", out, encoder, tmp_path / "lm", *frozen)) == 0
    read = read_language_folder(tmp_path / "lm")
    kept = read_safetensors(out / "best" / "model.safetensors")
    weights = {name.removeprefix("lm."): value for name, value in kept.items() if name.startswith("lm.")}
    assert set(weights) == set(read.state) - {"lm_head.weight"}  # which is its embeddings
    assert all((value == read.state[name]).all() for name, value in weights.items())
    captioner = load_captioner(out / "best")
    assert captioner.name == "best"
    again = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "again"), "--set", "epochs=1"]
    start = ["--set", f"start={out / 'best'}", "--set", "max_tokens=24", "--set", "batch_size=8"]
    assert main(["tiny-flickr8k", *again, *start, "--set", "precision=fp32"]) == 0
    assert read_config(tmp_path / "again" / "best").model["lm"] == read_config(out / "best").model["lm"]
    assert main(["--out", str(out), "--resume", "--set", "epochs=2"]) == 0


def test_a_gpt2_folder_takes_the_path_it_always_took(tiny_folder: Path, tmp_path: Path) -> None:
    lm = tmp_path / "gpt2"
    write_language_model(lm, "gpt2", ["a b"])
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tiny_folder / "tiny-clipcap" / name, lm / name)
    config = resolve_start(PRESETS["tiny-flickr8k"], None, [f"lm={lm}"])
    assert isinstance(config, CaptioningConfig)
    assert (config.gpt2, config.lm, config.tokenizer, config.n_layer) == (str(lm), "", "gpt2", 0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("gpt2=gpt2", "name two language models"), ("start=tiny-flickr8k", "name two language models"),
        ("tokenizer=captions", "for GPT-2 alone"), ("evidence=true", "for GPT-2 alone"),
        ("n_layer=2", "belong to gpt2=scratch"), ("dropout=0.1", "for GPT-2 alone"),
    ],
)  # fmt: skip
def test_what_belongs_to_gpt2_is_refused_beside_it(tmp_path: Path, more: str, said: str) -> None:
    write_language_model(tmp_path / "lm", "llama", ["a b"])
    with pytest.raises(UsageError, match=said):
        resolve_start(PRESETS["tiny-flickr8k"], None, [f"lm={tmp_path / 'lm'}", more])


def test_a_folder_that_is_none_is_said_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(UsageError, match=r"is no folder of a language model: config\.json is"):
            resolve_start(PRESETS["tiny-flickr8k"], None, [f"lm={tmp_path / folder}"])
    lm = tmp_path / "lm"
    write_language_model(lm, "llama", ["a b"])
    words = (lm / "tokenizer.json").read_text(encoding="utf-8")
    (lm / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read by tokenizers"):
        read_language_folder(lm)
    (lm / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"no tokenizer.json"):
        read_language_folder(lm)
    (lm / "tokenizer.json").write_text(words, encoding="utf-8")
    change_config(lm, eos_token_id=10**6)
    with pytest.raises(CheckpointError, match="has no token 1000000"):
        read_language_folder(lm)
    change_config(lm, model_type="tomorrow9")
    with pytest.raises(CheckpointError, match="no causal language model of the architecture 'tomorrow9'"):
        read_language_folder(lm)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    lm = tmp_path / "lm"
    write_language_model(lm, "llama", ["a b"])
    (lm / "evil.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nclass Evil: pass\n", encoding="utf-8")
    change_config(lm, auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"})
    read = read_language_folder(lm)
    assert not (tmp_path / "run").exists() and "auto_map" not in read.config
