"""A fake Hub that the real client is pointed at, and a look at what a download left on the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_hub import CONTENT, FILE, REPO, VIT_L, FakeHub, sha256
from PIL import Image
from small_repositories import published_files, small_clip


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

    config, weights = small_clip(embed_dim, tmp_path)
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: config)
    return weights


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The published repositories, small."""
    return published_files(tmp_path_factory.mktemp("published"))


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


@pytest.fixture
def default_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where models are looked for if nobody says where, in a home of its own; see `hub`."""
    monkeypatch.delenv("CLIPCAP_MODELS")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "xdg" / "clipcap-ext" / "models"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture on the disk."""
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "a.jpg")
    return tmp_path / "a.jpg"
