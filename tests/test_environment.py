"""The environments of the Makefile: found again when complete, rebuilt when an install was interrupted."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "tools" / "environment.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def build(folder: Path) -> None:
    """A stand-in for an install: an interpreter that starts."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "built").write_text("once")


def test_a_complete_environment_is_found_again(tool: ModuleType, tmp_path: Path) -> None:
    folder = tool.ensure(tmp_path / "venv", build)
    (folder / "built").write_text("kept")
    assert tool.ensure(folder, build) == folder
    assert (folder / "built").read_text() == "kept"


def test_an_interrupted_install_is_built_anew(tool: ModuleType, tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tool.ensure(tmp_path / "venv", interrupted)
    (tmp_path / "venv" / "built").write_text("half")
    folder = tool.ensure(tmp_path / "venv", build)
    assert (folder / "built").read_text() == "once"


def test_an_environment_without_its_interpreter_is_built_anew(tool: ModuleType, tmp_path: Path) -> None:
    folder = tool.ensure(tmp_path / "venv", build)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(tmp_path / "gone")
    (folder / "built").write_text("stale")
    assert (tool.ensure(folder, build) / "built").read_text() == "once"


def test_the_name_follows_every_included_file(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-c b.txt\n\n# -r none.txt\ntorch\n")
    (tmp_path / "b.txt").write_text("numpy\n")
    files = tool.with_included(tmp_path / "a.txt")
    assert [path.name for path in files] == ["a.txt", "b.txt"]
    before = tool.fingerprint(*files)
    assert tool.fingerprint(*files) == before
    (tmp_path / "b.txt").write_text("numpy==2\n")
    assert tool.fingerprint(*files) != before


def test_the_link_moves_but_never_replaces_a_folder(tool: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tool.link(".venv", tmp_path / name)
    assert (tmp_path / ".venv").resolve() == tmp_path / "two"
    (tmp_path / ".venv-own").mkdir()
    with pytest.raises(SystemExit, match="is a folder"):
        tool.link(".venv-own", tmp_path / "one")


def test_the_cache_is_where_it_is_asked_for(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPCAP_CACHE", str(tmp_path / "here"))
    assert tool.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("CLIPCAP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert tool.cache_folder() == tmp_path / "cache" / "clipcap-ext"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLIPCAP_CACHE", str(tmp_path / "file"))
    assert tool.cache_folder() == tmp_path / ".venv-cache"


def test_an_unknown_environment_lists_the_known(tool: ModuleType) -> None:
    with pytest.raises(SystemExit, match="forge, gradio3, gradio4, gradio6, last4, oldest"):
        tool.make_compat("newest")
