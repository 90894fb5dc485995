"""A fake Hub that the real client is pointed at, and a look at what a download left on the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_hub import CONTENT, FILE, GPT2, REPO, VIT_L, FakeHub, sha256
from published import make_talk, published_mlp, save, small_gpt2
from tiny import WORDS, write_tokenizer

from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub with one repository: a big LFS file, a small text file, one in a folder."""
    files = {FILE: CONTENT, "vocab.json": b'{"a": 0}', "deep/merges.txt": b"#version: 0.2\n"}
    for name in (
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with FakeHub({REPO: files}) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


@pytest.fixture
def whole_or_empty() -> Callable[[Path], None]:
    """Asserts that every finished file under a store is byte for byte the published one, whatever else lies
    there."""

    def look(root: Path) -> None:
        target = root / "hub" / REPO.replace("/", "--") / FILE
        if target.exists():
            assert sha256(target.read_bytes()) == sha256(CONTENT)

    return look


def small_clip_of(embed_dim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make every CLIP that open_clip knows a tiny one; the bytes of its weights as open_clip publishes
    them."""
    import open_clip
    from safetensors.torch import save_file
    from tiny import CLIP_CONFIG, randomise

    text = {**CLIP_CONFIG["text_cfg"], "context_length": 77}
    config = {**CLIP_CONFIG, "embed_dim": embed_dim, "text_cfg": text}
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: config)
    clip = open_clip.CLIP(**config, quick_gelu=True)
    randomise(clip, scale=0.15)
    save_file(clip.state_dict(), tmp_path / "clip.safetensors")
    return (tmp_path / "clip.safetensors").read_bytes()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The published repositories, small."""
    folder = tmp_path_factory.mktemp("published")
    write_tokenizer(folder)
    vocab_size = load_tokenizer(folder).vocab_size
    words = len(WORDS.split()) + 2
    clipcap, coco, gpt2 = (
        published_mlp(vocab_size),
        published_mlp(vocab_size, clip_dim=512),
        small_gpt2(vocab_size),
    )
    for model in (clipcap, coco, gpt2):
        make_talk(model, vocab_size, words)
    vocabulary = {name: (folder / name).read_bytes() for name in ("vocab.json", "merges.txt")}
    body = save(gpt2.transformer.state_dict(), folder / "s", "safetensors").read_bytes()
    sbg = {
        "README.md": b"An SBG.", "top_hierarchy/config.json": b'{"model_type": "gpt2"}',
        "top_hierarchy/model.safetensors": body,
        "top_hierarchy/training_args.bin": b"not wanted",
    }  # fmt: skip
    return {
        "Anshler/clip-prefix": {
            "flickr8k_gradient.pt": save(clipcap.state_dict(), folder / "w.pt").read_bytes()
        },
        "Anshler/selective-blind-guessing": sbg,
        GPT2: vocabulary,
        "coco": {"coco.pt": save(coco.state_dict(), folder / "c.pt").read_bytes()},
    }


@pytest.fixture
def models(
    hub: FakeHub, files: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty models folder; the Hub has the published repositories and a small ViT-L/14."""
    clip = small_clip_of(768, tmp_path, monkeypatch)
    hub.repos = {**files, VIT_L: {"open_clip_model.safetensors": clip}}
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "models"
    monkeypatch.setenv("CLIPCAP_MODELS", str(folder))
    return folder
