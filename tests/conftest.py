"""Fixtures that every test may ask for, and the guard that keeps all of them off the network."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "transformers", "tokenizers", "open_clip_torch", "timm", "numpy", "pillow")
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")
LONGEST = ("webui/browser", "webui/test_beside_the_hosts.py", "doors", "fuzz", "reproduce", "train")
LOCAL = ("127.", "::1", "localhost", "0.0.0.0")


def pytest_report_header() -> str:
    """The versions that decide what the engine does, on top of every run."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Java where there is none; begin with what takes longest, so that no process waits at
    last."""
    if not shutil.which("java"):
        reason = "no Java runtime: METEOR and the PTB tokenizer need one (Debian: default-jre-headless)"
        for item in items:
            if "java" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: _rank(item.path.relative_to(ROOT / "tests").as_posix()))


@pytest.hookimpl(optionalhook=True)  # xdist's, which not every environment has
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests that share something slow to make run in one process, one after another."""
    from xdist.scheduler import LoadScopeScheduling

    class Spread(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _shared(nodeid)

    return Spread(config, log)


def _shared(nodeid: str) -> str:
    """What a test shares with others: the browsers and their servers, or its file's fixtures."""
    file = nodeid.split("::")[0]
    return "browser" if "webui/browser/" in file else file


def _rank(path: str) -> int:
    """The place of a file of tests in LONGEST, or behind it."""
    return next((rank for rank, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def network_guard() -> Iterator[list[str]]:
    """Refuse every connection that leaves this machine; yields the list of addresses that were tried."""
    tried: list[str] = []

    def refused(address: object) -> bool:
        host = address[0] if isinstance(address, tuple) else address
        outside = isinstance(host, str) and not host.startswith((*LOCAL, "/", "\0"))
        if outside:
            tried.append(str(host))
        return outside

    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: object) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and refused(address):
            raise OSError(f"tests may not reach the network: {address}")
        connect(self, address)

    def guarded_lookup(host: object, *rest: object, **named: object) -> list:
        if refused(host):
            raise socket.gaierror(f"tests may not reach the network: {host}")
        return lookup(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_lookup)
        yield tried


@pytest.fixture(scope="session", autouse=True)
def no_models_of_this_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The default models folder, which every command looks in, is an empty one; a test may set another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPCAP_MODELS", str(tmp_path_factory.mktemp("no models")))
        yield


@pytest.fixture
def no_network(network_guard: list[str]) -> Iterator[list[str]]:
    """Fail the test if it so much as tries to reach the network, even where a library swallows the
    refusal."""
    network_guard.clear()
    yield network_guard
    assert network_guard == [], "the network was asked for"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with Flickr8k and its kin (see the README): ../shared/data, or what CLIPCAP_SHARED names."""
    folder = Path(os.environ.get("CLIPCAP_SHARED") or ROOT.parent / "shared" / "data")
    if not (folder / "flickr8k").is_dir():
        pytest.skip(f"no data sets in {folder} (set CLIPCAP_SHARED to the folder that holds flickr8k/)")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the encoder `tiny-clip` and the checkpoints `tiny-clipcap` and `tiny-transformer` on
    it."""
    from tiny import write_tiny_clipcap, write_tiny_encoder

    folder = tmp_path_factory.mktemp("models")
    write_tiny_encoder(folder / "tiny-clip")
    write_tiny_clipcap(folder / "tiny-clipcap", "tiny-clip")
    write_tiny_clipcap(folder / "tiny-transformer", "tiny-clip", mapper="transformer")
    return folder


@pytest.fixture(scope="session")
def tiny_clipcap(tiny_folder: Path) -> Path:
    """The checkpoint folder of a tiny random ClipCap with the MLP mapper; treat it as read-only."""
    return tiny_folder / "tiny-clipcap"


@pytest.fixture(scope="session")
def image_to_text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `my-git`, `my-blip` and `my-vit-gpt2`, tiny and random, as transformers saves
    them; read-only."""
    from tiny_image_to_text import save_tiny

    root = tmp_path_factory.mktemp("image to text")
    kinds = {"my-git": "git", "my-blip": "blip", "my-vit-gpt2": "vision-encoder-decoder"}
    for name, kind in kinds.items():
        (root / name).mkdir()
        save_tiny(kind, root / name)
    return root


@pytest.fixture(scope="session")
def asked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `my-chat` and `my-blip-2`, tiny and random, asked in words; read-only."""
    from tiny_asked import has, save_asked

    root = tmp_path_factory.mktemp("asked")
    for name, kind in {"my-chat": "idefics3", "my-blip-2": "blip-2"}.items():
        if not has(kind):
            pytest.skip(f"no {kind} in this transformers")
        (root / name).mkdir()
        save_asked(kind, root / name)
    return root


@pytest.fixture(scope="session")
def tiny_sbg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The checkpoint folder of a tiny random SBG beside its encoder; treat it as read-only, but for its
    caches."""
    from tiny import write_tiny_encoder, write_tiny_sbg

    folder = tmp_path_factory.mktemp("sbg")
    write_tiny_encoder(folder / "tiny-clip")
    write_tiny_sbg(folder / "tiny-sbg", "tiny-clip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield folder / "tiny-sbg"
