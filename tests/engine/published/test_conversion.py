"""Published files: told by their shapes, converted whole, and saying the same before and after.

"Before" is published.py's own structure and loop. Sizes are small but for one full-size model: shapes and
names tell the layouts apart, not sizes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import published
import pytest
import torch
from published import make_talk, published_mlp, published_transformer, save, small_gpt2, speak, with_buffers
from tiny import WORDS, write_tokenizer
from torch import Tensor, nn

from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
from clipcap_ext.engine.published import parts as published_parts
from clipcap_ext.engine.published.conversion import convert_file, ensure_converted
from clipcap_ext.engine.published.inspection import inspect_file, planned_config, unconverted_files
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.engine.sbg.checkpoint import load_sbg
from clipcap_ext.errors import CheckpointError

ROOT = Path(__file__).resolve().parents[3]
STEPS = 12
WORD_COUNT = len(WORDS.split()) + 2
State = Mapping[str, Tensor]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    write_tokenizer(folder)
    return folder


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what this machine's Hugging Face cache happens to hold."""
    monkeypatch.setattr(published_parts, "_cached_folders", list)


def size_of(vocabulary: Path) -> int:
    return load_tokenizer(vocabulary).vocab_size


@dataclass(frozen=True)
class Talking:
    """A model's state dict, features (B, clip_dim), and the caption of each row that has one."""

    state: State
    inputs: Tensor
    said: dict[int, str]


def plain(state: State) -> State:
    return state


def bool_buffers(state: State) -> State:
    return with_buffers(dict(state), 128)


def byte_buffers(state: State) -> State:
    return with_buffers(dict(state), 128, as_bool=False)


def in_parallel(state: State) -> State:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def nested(state: State) -> object:
    return {"epoch": 9, "state_dict": state, "optimizer_state": {"lr": 2e-5, "betas": (0.9, 0.999)}}


def nested_in_parallel(state: State) -> object:
    return {"model": in_parallel(bool_buffers(state)), "loss": 1.5}


LAYOUTS: dict[str, Callable[[int], nn.Module]] = {
    "mlp of the paper, 768": lambda size: published_mlp(size, 768),
    "mlp of COCO and Conceptual, 512": lambda size: published_mlp(size, 512),
    "transformer 40/40, 640": lambda size: published_transformer(size, 640),
    "transformer 40/40, 512": lambda size: published_transformer(size, 512, layers=3),
}
SAVED: list[tuple[Callable[[State], object], str]] = [
    (plain, "zip"), (plain, "pickles"), (plain, "safetensors"), (bool_buffers, "zip"),
    (bool_buffers, "pickles"),
    (byte_buffers, "zip"), (byte_buffers, "pickles"), (in_parallel, "zip"), (nested, "pickles"),
    (nested_in_parallel, "zip"),
]  # fmt: skip


def features(count: int, clip_dim: int) -> Tensor:
    return torch.randn(count, clip_dim, generator=torch.Generator().manual_seed(3))


def said_before(model: published.PublishedClipCap, vocabulary: Path, inputs: Tensor) -> dict[int, str]:
    """Row of `inputs` -> the published loop's caption; rows it has no word for are left out, the package
    knows none."""
    tokenizer = load_tokenizer(vocabulary)
    texts = {row: tokenizer.decode(model.speak(one, STEPS)) for row, one in enumerate(inputs)}
    found = {row: clean_caption(text) for row, text in texts.items() if text.split(".")[0].strip()}
    assert len(set(found.values())) > 1
    return found


def said_after(folder: Path, inputs: Tensor, rows: Iterable[int], tokens: int = STEPS) -> dict[int, str]:
    config = read_config(folder)
    options = config.decoding_options().with_changes(max_new_tokens=tokens)
    captioner = ClipCapCaptioner(
        "converted", None, load_clipcap(folder, config), load_tokenizer(folder), options
    )
    said = captioner.caption_features(inputs, [str(row) for row in range(len(inputs))])
    return {row: said[row].text for row in rows}


@pytest.fixture(scope="module", params=LAYOUTS)
def model(request: pytest.FixtureRequest, vocabulary: Path) -> Talking:
    """One published layout, and what its own loop says."""
    made = LAYOUTS[request.param](size_of(vocabulary))
    make_talk(made, size_of(vocabulary), WORD_COUNT)
    inputs = features(4, int(request.param.split()[-1]))
    return Talking(made.state_dict(), inputs, said_before(made, vocabulary, inputs))


@pytest.mark.parametrize(("change", "form"), SAVED, ids=lambda value: getattr(value, "__name__", value))
def test_it_says_the_same_before_and_after(
    tmp_path: Path, vocabulary: Path, model: Talking, change: Callable[[State], object], form: str
) -> None:
    file = save(
        change(model.state), tmp_path / ("old.safetensors" if form == "safetensors" else "old.pt"), form
    )
    whole = file.read_bytes()
    folder = convert_file(file, tmp_path / "new", PublishedParts(tokenizer=vocabulary))
    assert said_after(folder, model.inputs, model.said) == model.said
    assert file.read_bytes() == whole
    assert {path.name for path in tmp_path.iterdir()} - {".new.lock"} == {file.name, "new"}


def test_the_layout_is_told_by_shapes(tmp_path: Path) -> None:
    mlp = inspect_file(save(published_mlp(300, 512).state_dict(), tmp_path / "a.pt"))
    assert (mlp.kind, mlp.mapper, mlp.clip_dim, mlp.prefix_length) == ("clipcap", "mlp", 512, 10)
    assert (
        mlp.gpt2 == {"vocab_size": 300, "n_positions": 128, "n_embd": 128, "n_layer": 2, "n_head": 2}
        and mlp.tuned
    )
    transformer = inspect_file(
        save(published_transformer(300).clip_project.state_dict(prefix="clip_project."), tmp_path / "b.pt")
    )
    said = transformer.mapper, transformer.clip_dim, transformer.prefix_length, transformer.clip_length
    assert said == ("transformer", 640, 40, 40) and not transformer.tuned
    assert (transformer.mapper_layers, transformer.mapper_heads, transformer.n_embd) == (8, 8, 128)
    assert inspect_file(save(small_gpt2(300).state_dict(), tmp_path / "c.pt")).kind == "sbg"


@pytest.mark.parametrize("form", ["zip", "pickles", "safetensors"])
def test_a_mapper_alone_is_joined_to_the_gpt2_it_was_trained_on(
    tmp_path: Path, vocabulary: Path, form: str
) -> None:
    vocab_size = size_of(vocabulary)
    model = published_transformer(vocab_size)
    make_talk(model, vocab_size, WORD_COUNT)
    mapper = model.clip_project.state_dict(prefix="clip_project.")
    file = save(mapper, tmp_path / ("prefix.safetensors" if form == "safetensors" else "prefix.pt"), form)
    with pytest.raises(
        CheckpointError,
        match=r"a mapper alone, for a GPT-2 that is 128 wide.*Fetch model.safetensors.*--gpt2",
    ):
        convert_file(file, tmp_path / "new")
    base = tmp_path / "gpt2"
    base.mkdir()
    write_tokenizer(base)
    save(small_gpt2(vocab_size, n_embd=192, n_head=3).transformer.state_dict(), base / "pytorch_model.bin")
    with pytest.raises(
        CheckpointError, match=r"that is 128 wide, and .*pytorch_model.bin holds: GPT-2 of 2 layers, 192 wide"
    ):
        convert_file(file, tmp_path / "new", PublishedParts(gpt2=base))
    save(
        model.gpt.transformer.state_dict(), base / "model.safetensors", "safetensors"
    )  # as the Hub's gpt2: wte.weight
    folder = convert_file(file, tmp_path / "new", PublishedParts(gpt2=base))
    inputs = features(4, 640)
    before_it = said_before(model, vocabulary, inputs)
    assert said_after(folder, inputs, before_it) == before_it


@pytest.mark.parametrize("body_alone", [False, True])
def test_a_plain_gpt2_becomes_an_sbg(tmp_path: Path, vocabulary: Path, body_alone: bool) -> None:
    vocab_size = size_of(vocabulary)
    gpt2 = small_gpt2(vocab_size)
    make_talk(gpt2, vocab_size, WORD_COUNT)
    state = gpt2.transformer.state_dict() if body_alone else gpt2.state_dict()
    folder = convert_file(
        save(bool_buffers(state), tmp_path / "top_hierarchy.bin"),
        tmp_path / "sbg",
        PublishedParts(tokenizer=vocabulary),
    )
    config = read_config(folder)
    again, _ = load_sbg(folder, config)
    assert config.kind == "sbg" and config.encoder == EncoderConfig("ViT-L-14", "openai", True)
    assert config.decoding_options().num_candidates == 5 and (folder / "labels.json").is_file()
    embeds = gpt2.transformer.wte(torch.tensor([load_tokenizer(vocabulary).encode("dog ball ###")]))
    assert speak(again, embeds, STEPS) == speak(gpt2, embeds, STEPS)


def test_what_shapes_cannot_tell_is_guessed_or_said(tmp_path: Path, vocabulary: Path) -> None:
    vocab_size = size_of(vocabulary)
    guessed = {512: ("ViT-B-32", False), 640: ("RN50x4", False), 768: ("ViT-L-14", True)}
    for clip_dim, (model, normalize) in guessed.items():
        file = save(published_mlp(vocab_size, clip_dim).state_dict(), tmp_path / f"{clip_dim}.pt")
        assert planned_config(file).encoder == EncoderConfig(model, "openai", normalize)
    folder = convert_file(
        file,
        tmp_path / "new",
        PublishedParts(
            tokenizer=vocabulary, normalize=False, decoding={"num_beams": 5}, training={"data": "coco"}
        ),
    )
    said = read_config(folder)
    assert (
        not said.encoder.normalize
        and said.encoder.model == "ViT-L-14"
        and said.decoding_options().num_beams == 5
    )
    assert said.training["data"] == "coco" and said.training["converted_from"]["file"] == "768.pt"
    odd = save(published_mlp(vocab_size, 100).state_dict(), tmp_path / "odd.pt")
    with pytest.raises(
        CheckpointError, match=r"features of length 100, which no published encoder gives.*--encoder"
    ):
        convert_file(odd, tmp_path / "odd", PublishedParts(tokenizer=vocabulary))
    convert_file(
        odd, tmp_path / "odd", PublishedParts(tokenizer=vocabulary, encoder=EncoderConfig("mine", "", True))
    )
    assert read_config(tmp_path / "odd").encoder.model == "mine"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_files_stay_half_and_double_ones_do_not(
    tmp_path: Path, vocabulary: Path, dtype: torch.dtype
) -> None:
    from safetensors.torch import load_file

    file = save(published_mlp(size_of(vocabulary)).to(dtype).state_dict(), tmp_path / "a.pt")
    folder = convert_file(file, tmp_path / "new", PublishedParts(tokenizer=vocabulary))
    found = {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()}
    assert found == {torch.float32 if dtype is torch.float64 else dtype}
    assert load_clipcap(folder, read_config(folder)).gpt2.dtype is torch.float32


def spoilt(vocab_size: int, change: Callable[[dict[str, Tensor]], object]) -> dict[str, Tensor]:
    state = dict(published_mlp(vocab_size).state_dict())
    change(state)
    return state


def forget_many(state: dict[str, Tensor]) -> None:
    for name in [name for name in state if ".ln_" in name]:
        del state[name]


GPT = "gpt.transformer"
WRONG: list[tuple[Callable[[dict[str, Tensor]], object], str]] = [
    (lambda s: s.pop("clip_project.model.2.bias"), r"missing 1 \(mapper.model.2.bias\)"),
    (forget_many, r"missing 10 \(gpt2.transformer.h.0.ln_1.bias, .* and 5 more\)"),
    (lambda s: s.update({"clip_project.model.4.weight": torch.zeros(2, 2)}),
    r"not known 1 \(mapper.model.4.weight\)"),
    (lambda s: s.update({f"{GPT}.h.0.attn.rotary": torch.zeros(2)}), r"not known 1 .*h.0.attn.rotary"),
    (lambda s: s.update({"clip_project.model.0.bias": torch.zeros(7)}),
    r"model.0.bias .* is \(7,\), and \(640,\)"),
    (lambda s: s.update({f"{GPT}.wpe.weight": torch.zeros(128)}), r"wpe.weight .* is of shape \(128,\)"),
    (lambda s: s.update({"gpt.lm_head.weight": s["gpt.lm_head.weight"] + 1}), "are not its embeddings"),
    (lambda s: s[f"{GPT}.h.1.mlp.c_fc.bias"].fill_(torch.nan), "c_fc.bias holds values that are not finite"),
    (lambda s: s["clip_project.model.2.weight"][-1].fill_(torch.inf), "model.2.weight holds values that"),
    (lambda s: s.update({"clip_project.model.2.bias": torch.zeros(1280).int()}),
    "model.2.bias .* holds int32"),
]  # fmt: skip


@pytest.mark.parametrize("form", ["zip", "pickles"])
@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said[:24] for _, said in WRONG])
def test_what_does_not_fit_is_named_and_nothing_is_left(
    tmp_path: Path, vocabulary: Path, change: Callable[[dict[str, Tensor]], object], said: str, form: str
) -> None:
    file = save(spoilt(size_of(vocabulary), change), tmp_path / "a.pt", form)
    with pytest.raises(CheckpointError, match=said) as caught:
        convert_file(file, tmp_path / "new", PublishedParts(tokenizer=vocabulary))
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob("*.part"))


def test_a_stable_diffusion_file_is_told_from_a_caption_model(tmp_path: Path) -> None:
    file = save(
        {"cond_stage_model.x": torch.zeros(2), "first_stage_model.y": torch.zeros(2)}, tmp_path / "sd.ckpt"
    )
    with pytest.raises(CheckpointError, match=r"neither a ClipCap .* begin with cond_stage_model.x"):
        inspect_file(file)


class TestTokenizer:
    """Where the vocabulary comes from."""

    def file(self, folder: Path, vocab_size: int) -> Path:
        folder.mkdir(exist_ok=True)
        return save(published_mlp(vocab_size).state_dict(), folder / "a.pt")

    def test_beside_the_file(self, tmp_path: Path, vocabulary: Path) -> None:
        file = self.file(tmp_path, size_of(vocabulary) + 3)  # padded embeddings
        write_tokenizer(tmp_path)
        assert load_tokenizer(convert_file(file, tmp_path / "new")).vocab_size == size_of(vocabulary)

    def test_in_its_own_folder_first(self, tmp_path: Path, vocabulary: Path) -> None:
        file = self.file(tmp_path, size_of(vocabulary))
        write_tokenizer(tmp_path / "a-tokenizer")
        (tmp_path / "vocab.json").write_text('{"a": 0}')
        (tmp_path / "merges.txt").write_text("#version: 0.2\n")
        convert_file(file, tmp_path / "new")

    def test_another_size_is_refused(self, tmp_path: Path, vocabulary: Path) -> None:
        file = self.file(tmp_path, 1000)
        with pytest.raises(
            CheckpointError, match=f"a vocabulary of {size_of(vocabulary)}, and .*a.pt one of 1000"
        ):
            convert_file(file, tmp_path / "new", PublishedParts(tokenizer=vocabulary))

    @pytest.mark.parametrize(
        ("vocab_size", "said"), [(50257, "GPT-2's: fetch them from"), (9000, "those it was trained with")]
    )
    def test_none_is_asked_for_by_name(self, tmp_path: Path, vocab_size: int, said: str) -> None:
        file = self.file(tmp_path, vocab_size)
        with pytest.raises(
            CheckpointError, match=rf"vocab.json and merges.txt \({vocab_size} tokens\), {said}"
        ):
            convert_file(file, tmp_path / "new")

    def test_gpt2_from_the_cache_without_a_request(
        self, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str]
    ) -> None:
        from huggingface_hub import try_to_load_from_cache

        repo, commit = tmp_path / "hub" / "models--gpt2", "0" * 40
        (repo / "refs").mkdir(parents=True)
        (repo / "refs" / "main").write_text(commit)
        snapshot = repo / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name in ("vocab.json", "merges.txt"):
            os.symlink(shared_data / "gpt2_bpe" / name, snapshot / name)
        monkeypatch.undo()  # of no_cache
        here = {"cache_dir": str(tmp_path / "hub")}
        monkeypatch.setattr(
            "huggingface_hub.try_to_load_from_cache", lambda *args: try_to_load_from_cache(*args, **here)
        )
        folder = convert_file(self.file(tmp_path / "models", 50257), tmp_path / "new")
        assert load_tokenizer(folder).encode("A dog runs .") == [32, 3290, 4539, 764]


class TestFirstUse:
    """A file in the models folder becomes a folder beside it."""

    @pytest.fixture
    def file(self, tmp_path: Path, vocabulary: Path) -> Path:
        write_tokenizer(tmp_path)
        return save(published_mlp(size_of(vocabulary), 512).state_dict(), tmp_path / "mine.v2.pt")

    def test_once_and_the_original_stays(self, file: Path) -> None:
        assert unconverted_files(file.parent) == [file]
        folder = ensure_converted(file)
        assert folder.name == "mine.v2" and file.is_file() and unconverted_files(file.parent) == []
        made = (folder / "config.json").stat().st_mtime_ns
        assert ensure_converted(file) == folder and (folder / "config.json").stat().st_mtime_ns == made

    def test_again_when_the_file_was_exchanged(self, file: Path, vocabulary: Path) -> None:
        folder = ensure_converted(file)
        before = (folder / "model.safetensors").read_bytes()
        save(published_mlp(size_of(vocabulary), 512).state_dict(), file)
        os.utime(file, (1, 1))
        assert unconverted_files(file.parent) == [file]
        assert (ensure_converted(file) / "model.safetensors").read_bytes() != before

    def test_another_folder_is_not_overwritten(self, file: Path) -> None:
        other = file.with_suffix("")
        other.mkdir()
        (other / "diary.txt").write_text("mine")
        with pytest.raises(CheckpointError, match="something else is there: rename one"):
            ensure_converted(file)
        assert (other / "diary.txt").read_text() == "mine"

    def test_many_at_once_make_one(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from clipcap_ext.engine.published import writing

        written, write = [], writing.save_checkpoint
        monkeypatch.setattr(writing, "save_checkpoint", lambda *a, **k: written.append(1) or write(*a, **k))
        found: list[Path] = []
        threads = [threading.Thread(target=lambda: found.append(ensure_converted(file))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == [file.with_suffix("")] * 4 and written == [1]
        load_clipcap(found[0], read_config(found[0]))

    @pytest.mark.slow
    def test_another_process_waits(self, file: Path) -> None:
        code = (
            "from pathlib import Path; from clipcap_ext.engine.published.conversion import ensure_converted; "
            f"ensure_converted(Path({str(file)!r}))"
        )
        others = [
            subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)
        ]
        assert [other.communicate(timeout=240)[1].decode() for other in others] == ["", ""]
        folder = file.with_suffix("")
        load_clipcap(folder, read_config(folder))
        left = {path.name for path in file.parent.iterdir()} - {".mine.v2.lock"}
        assert left == {file.name, folder.name, "vocab.json", "merges.txt"}

    def test_a_failure_leaves_nothing(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("clipcap_ext.engine.checkpoint.safefile.write_safetensors", full)
        monkeypatch.setattr("clipcap_ext.engine.checkpoint.folder.write_safetensors", full)
        with pytest.raises(CheckpointError, match=r"No space left on device.*convert FILE OUT"):
            ensure_converted(file)
        left = {path.name for path in file.parent.iterdir()}
        assert left - {".mine.v2.lock"} == {"mine.v2.pt", "vocab.json", "merges.txt"}

    def test_neither_disk_nor_memory_is_overrun(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from clipcap_ext.engine.published import writing

        monkeypatch.setattr(writing, "_free_memory", lambda: 50_000_000)
        with pytest.raises(CheckpointError, match="MB of memory, and 50 MB are free"):
            ensure_converted(file)
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000})())
        with pytest.raises(CheckpointError, match="and 1 MB are free on its disk"):
            ensure_converted(file)


def test_an_out_that_is_there_is_kept(tmp_path: Path, vocabulary: Path) -> None:
    file = save(published_mlp(size_of(vocabulary)).state_dict(), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="is there already"):
        convert_file(file, tmp_path, PublishedParts(tokenizer=vocabulary))
    assert json.loads(
        convert_file(file, tmp_path / "b" / "c", PublishedParts(tokenizer=vocabulary))
        .joinpath("config.json")
        .read_text()
    )


@pytest.mark.slow
def test_a_full_size_model_says_the_same(tmp_path: Path) -> None:
    """GPT-2 small, MLP 768, prefix 10, with the old buffers: the layout of the paper's
    flickr8k_gradient.pt."""
    from tokenizers.pre_tokenizers import ByteLevel

    count = 50257
    tokens = sorted(ByteLevel.alphabet())
    tokens += [f"Ġw{number}" for number in range(count - len(tokens) - 1)] + ["<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(
        json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8"
    )
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    torch.manual_seed(0)
    model = published_mlp(count, 768, n_positions=1024, n_embd=768, n_layer=12, n_head=12)
    inputs = (
        nn.functional.normalize(features(3, 768), dim=-1) * 30
    )  # far apart, so that random weights tell them apart
    tokenizer = load_tokenizer(tmp_path)
    before = {row: clean_caption(tokenizer.decode(model.speak(one, 6))) for row, one in enumerate(inputs)}
    file = save(with_buffers(model.state_dict(), 1024), tmp_path / "flickr8k_gradient.pt")
    del model
    assert file.stat().st_size > 600_000_000 and len(set(before.values())) > 1
    layout = inspect_file(file)
    assert (layout.n_layer, layout.n_head, layout.vocab_size, layout.prefix_length) == (12, 12, 50257, 10)
    folder = ensure_converted(file)
    assert said_after(folder, inputs, before, tokens=6) == before
    file.unlink()
    shutil.rmtree(folder)
