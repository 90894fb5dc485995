"""A fake Hub that the real client is pointed at, and a look at what a download left on the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_hub import FakeHub, sha256

REPO, FILE = "someone/weights", "model.pt"
CONTENT = bytes(range(256)) * 8192  # 2 MiB: eight chunks of the worker's


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub with one repository: a big LFS file, a small text file, one in a folder."""
    files = {FILE: CONTENT, "vocab.json": b'{"a": 0}', "deep/merges.txt": b"#version: 0.2\n"}
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with FakeHub({REPO: files}) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


@pytest.fixture
def whole_or_empty() -> Callable[[Path], None]:
    """Asserts that every finished file under a store is byte for byte the published one, whatever else lies there."""

    def look(root: Path) -> None:
        target = root / "hub" / REPO.replace("/", "--") / FILE
        if target.exists():
            assert sha256(target.read_bytes()) == sha256(CONTENT)

    return look


def small_clip_of(embed_dim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make every CLIP that open_clip knows a tiny one; the bytes of its weights as open_clip publishes them."""
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
