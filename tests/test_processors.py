"""No word, order or score hangs on batch, threads or instructions; `make test-processors` asks for others."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from last_digits import exact_figures, words_said
from tiny import write_tiny_clipcap, write_tiny_encoder, write_tiny_sbg

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def processors() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processors", ROOT / "tools" / "processors.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_encoder(folder / "tiny-clip")
    write_tiny_clipcap(folder / "tiny-clipcap", "tiny-clip")
    write_tiny_sbg(folder / "tiny-sbg", "tiny-clip")
    return folder


@pytest.mark.slow
def test_another_processor_says_the_same(
    processors: ModuleType, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(models / "here"))
    together = words_said(models, batch_size=6)
    assert words_said(models, batch_size=1) == together
    environ = {**processors.environment("sse", 3), "XDG_CACHE_HOME": str(models / "elsewhere")}
    command = [sys.executable, str(ROOT / "tests" / "last_digits.py"), str(models), "4"]
    made = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr
    instructions, said, figures = json.loads(made.stdout)
    assert instructions in ("DEFAULT", "NO AVX")
    assert said == together
    assert figures == exact_figures()


@pytest.mark.slow
def test_every_kind_of_processor_is_asked_for(
    processors: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "test_told.py"
    told.write_text(
        "import os\n\ndef test_passes():\n    pass\n\ndef test_one_thread_is_enough():\n"
        "    assert os.environ['OMP_NUM_THREADS'] == '1'\n\n"
        "def test_no_wide_vectors():\n    assert os.environ['ONEDNN_MAX_CPU_ISA'] == 'SSE41'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processors, "THREADS", (2,))
    before = dict(os.environ)
    assert processors.main([str(told), "-p", "no:cacheprovider"]) == 1
    lines = capfd.readouterr().out.splitlines()
    title = next(place for place, line in enumerate(lines) if line.startswith("instructions"))
    assert [line.split()[:5] for line in lines[title + 1 : title + 3]] == [
        ["avx2", "2", "1", "2", "0"],
        ["sse", "2", "2", "1", "0"],
    ]
    assert "failed with avx2 x 2: test_told::test_no_wide_vectors" in lines
    assert "failed with avx2 x 2, sse x 2: test_told::test_one_thread_is_enough" in lines
    assert dict(os.environ) == before
