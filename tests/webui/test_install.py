"""The host's install phase and its flags: nothing to do is quick and silent, a failure is one line, pins
stay."""

from __future__ import annotations

import argparse
import configparser
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """A file of the extension's root, as a fresh module."""
    spec = importlib.util.spec_from_file_location(f"root_{name}", ROOT / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Pip:
    """The host's `launch`, its pip either working (what is asked for appears) or failing."""

    def __init__(self, gone: set[str], error: str = "", skip: bool = False) -> None:
        self.gone, self.error, self.commands = set(gone), error, []
        self.args = SimpleNamespace(skip_install=skip)

    def run_pip(self, command: str, desc: str) -> None:
        self.commands.append(command)
        if self.error:
            raise RuntimeError(self.error)
        self.gone.clear()


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pip: Pip, timm: str = "1.0.27"
) -> str:
    install = load("install")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in pip.gone else find("sys"))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"timm": timm}[name])
    monkeypatch.setitem(sys.modules, "launch", pip)
    install.main()
    return capsys.readouterr().out


def test_nothing_missing_is_silent_and_asks_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip(set())
    assert run(monkeypatch, capsys, pip) == ""
    assert pip.commands == []


def test_nothing_missing_costs_no_time() -> None:
    """As the host runs it, in a process of its own; processor time beyond the interpreter's start."""
    code = (
        "import time; start = time.process_time()\n"
        "exec(compile(open('install.py').read(), 'install.py', 'exec'), {'__name__': '__main__'})\n"
        "import sys; print(time.process_time() - start, 'torch' in sys.modules)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
            for _ in range(3)]  # fmt: skip
    printed = [one.stdout.split() for one in runs]
    assert {torch for _, torch in printed} == {"False"}
    assert min(float(seconds) for seconds, _ in printed) < 0.05


def test_what_is_missing_is_added_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip({"open_clip"})
    assert "installed" in run(monkeypatch, capsys, pip)
    (command,) = pip.commands
    assert "--no-deps" in command and '"open_clip_torch>=2.20,<4"' in command
    assert not any(name in command for name in ("torchvision", "numpy", "transformers", "protobuf", "timm"))


def test_an_old_timm_gets_the_open_clip_that_fits_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip({"open_clip"})
    run(monkeypatch, capsys, pip, timm="0.9.2")
    assert '"open_clip_torch>=2.20,<3"' in pip.commands[0]


@pytest.mark.parametrize("error", ["", "no network\nCould not find a version"])
def test_a_failure_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: str
) -> None:
    pip = Pip({"open_clip"}, error)
    if not error:
        pip.run_pip = lambda command, desc: None  # as the host's does under --skip-install
    said = run(monkeypatch, capsys, pip)
    assert said.count("\n") == 1
    assert "By hand: pip install --no-deps" in said
    assert ("Could not find" in said) is bool(error)


def test_skip_install_is_honoured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip({"open_clip"}, skip=True)
    assert "--skip-install" in run(monkeypatch, capsys, pip)
    assert pip.commands == []


def test_the_flags_have_the_names_the_host_looks_for() -> None:
    parser = argparse.ArgumentParser()
    load("preload").preload(parser)
    assert vars(parser.parse_args([])) == {"clipcap_models_dir": None, "clipcap_device": None}
    given = parser.parse_args(["--clipcap-models-dir", "/m", "--clipcap-device", "cuda:1"])
    assert (given.clipcap_models_dir, given.clipcap_device) == ("/m", "cuda:1")


def test_the_metadata_can_be_read_as_the_host_reads_it() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "metadata.ini")
    assert parser.get("Extension", "Name") == "clipcap-ext"
