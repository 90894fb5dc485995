"""Holds the walls of the house: layers, homes of outside libraries, thin doors, imports that cost nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from walls import HOMES, LAYERS, violations

ROOT = Path(__file__).resolve().parents[1]

# planted file, its source, and a part of what the checker must say
PLANTED = [
    ("clipcap_ext/engine/model.py", "import gradio", "imports gradio"),
    ("clipcap_ext/corpus/table.py", "from gradio import blocks", "imports gradio"),
    ("clipcap_ext/webui/hosts/a1111.py", "import gradio as gr", "imports gradio"),
    (
        "clipcap_ext/service/service.py",
        "def f():\n    from gradio.blocks import Block",
        "imports gradio.blocks",
    ),
    ("clipcap_ext/webui/tab/pane.py", "from modules import shared", "imports modules"),
    ("scripts/clipcap.py", "from modules import shared", "imports modules"),
    (
        "clipcap_ext/service/service.py",
        "import importlib\nimportlib.import_module('modules.shared')",
        "modules.shared",
    ),
    ("clipcap_ext/batch/plan.py", "import modules.shared", "imports modules.shared"),
    (
        "clipcap_ext/train/loop.py",
        "from clipcap_ext.evaluate.run import main",
        "train may not import evaluate",
    ),
    ("clipcap_ext/train/loop.py", "from ..evaluate import run", "train may not import evaluate"),
    ("clipcap_ext/evaluate/run.py", "import clipcap_ext.train.loop.loop", "evaluate may not import train"),
    (
        "clipcap_ext/engine/model.py",
        "from clipcap_ext.corpus import read_corpus",
        "engine may not import corpus",
    ),
    ("clipcap_ext/engine/model.py", "from clipcap_ext import corpus", "engine may not import corpus"),
    ("clipcap_ext/engine/model.py", "from .. import train", "engine may not import train"),
    ("clipcap_ext/engine/__init__.py", "from ..webui import service", "engine may not import webui"),
    (
        "clipcap_ext/corpus/table.py",
        "def f():\n    from clipcap_ext.webui import service",
        "may not import webui",
    ),
    ("clipcap_ext/metrics.py", "from clipcap_ext.engine import model", "metrics may not import engine"),
    ("clipcap_ext/errors.py", "from clipcap_ext.caption import Caption", "errors may not import caption"),
    (
        "clipcap_ext/caption.py",
        "if TYPE_CHECKING:\n    from clipcap_ext.corpus import Corpus",
        "may not import corpus",
    ),
    (
        "clipcap_ext/caption.py",
        "from clipcap_ext.engine import clip_encoder",
        "caption may not import engine",
    ),
    (
        "clipcap_ext/caption.py",
        "if TYPE_CHECKING:\n    from clipcap_ext.engine.clip import encoder",
        "caption may not import engine",
    ),
    ("clipcap_ext/cli/ui.py", "from clipcap_ext.webui.tab import build", "cli may not import webui"),
    ("clipcap_ext/service/runs.py", "from clipcap_ext.webui import words", "service may not import webui"),
    ("clipcap_ext/tricks/__init__.py", "", "LAYERS does not know"),
    ("clipcap_ext/engine/model.py", "from transformers import GPT2LMHeadModel", "imports transformers when"),
    (
        "clipcap_ext/engine/model.py",
        "try:\n    import open_clip\nexcept OSError:\n    pass",
        "imports open_clip when",
    ),
    ("clipcap_ext/engine/model.py", "class A:\n    import timm", "imports timm when"),
    ("clipcap_ext/engine/model.py", "import torch\nx = torch.load('a.pt')", "weights_only"),
    (
        "clipcap_ext/engine/model.py",
        "import torch\nx = torch.load('a.pt', weights_only=False)",
        "weights_only",
    ),
    ("clipcap_ext/engine/model.py", "import os\nos.chdir('/')", "working folder"),
    ("clipcap_ext/engine/model.py", "def f():\n    global x\n    x = 1", "global"),
    ("clipcap_ext/engine/model.py", "try:\n    x = 1\nexcept:\n    pass", "bare except"),
    ("clipcap_ext/engine/model.py", "print('hello')", "prints"),
    ("clipcap_ext/engine/model.py", "x = 1\n" * 301, "301 lines"),
    ("clipcap_ext/engine/model.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
    ("clipcap_ext/__main__.py", "x = 1\n" * 91, "a door has at most 90"),
    ("clipcap_ext/train/__main__.py", "x = 1\n" * 91, "a door has at most 90"),
    ("scripts/clipcap.py", "x = 1\n" * 21, "a script has at most 20"),
]
ALLOWED = [
    ("clipcap_ext/webui/tab/layout.py", "import gradio as gr"),
    (
        "clipcap_ext/webui/hosts/a1111.py",
        "from modules import shared\nfrom clipcap_ext.engine import factory",
    ),
    ("clipcap_ext/engine/model.py", "def f():\n    from transformers import GPT2LMHeadModel"),
    (
        "clipcap_ext/engine/model.py",
        "if TYPE_CHECKING:\n    import open_clip\nfrom clipcap_ext.errors import X",
    ),
    ("clipcap_ext/engine/model.py", "import torch\nx = torch.load('a.pt', weights_only=True)"),
    (
        "clipcap_ext/train/loop.py",
        "from clipcap_ext import __version__\nfrom clipcap_ext.corpus import features",
    ),
    ("clipcap_ext/evaluate/__main__.py", "print('a door may')"),
    ("scripts/clipcap.py", "x = 1\n" * 20),
]
TORCH_FREE = [
    "",
    ".errors",
    ".caption",
    ".engine.catalog",
    ".engine.factory",
    ".service.service",
    ".__main__",
]


def plant(root: Path, name: str, source: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_the_house_stands() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(("name", "source", "expected"), PLANTED)
def test_a_planted_violation_is_seen(tmp_path: Path, name: str, source: str, expected: str) -> None:
    plant(tmp_path, name, source)
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert found[0].startswith(f"{name}:")
    assert expected in found[0]


@pytest.mark.parametrize(("name", "source"), ALLOWED)
def test_what_is_allowed_passes(tmp_path: Path, name: str, source: str) -> None:
    plant(tmp_path, name, source)
    assert violations(tmp_path) == []


@pytest.mark.parametrize(
    "back", ["import clipcap_ext.engine.a", "def f():\n    from clipcap_ext.engine import a",
             "if TYPE_CHECKING:\n    from .a import A"],
)  # fmt: skip
def test_a_circle_is_seen_however_it_is_closed(tmp_path: Path, back: str) -> None:
    plant(tmp_path, "clipcap_ext/engine/a.py", "from clipcap_ext.engine.b import B")
    plant(tmp_path, "clipcap_ext/engine/b.py", back)
    assert violations(tmp_path) == [
        "clipcap_ext.engine.a: a circle of imports: clipcap_ext.engine.a, clipcap_ext.engine.b"
    ]


def test_a_circle_of_rooms_is_seen_where_no_module_is_in_one(tmp_path: Path) -> None:
    plant(tmp_path, "clipcap_ext/engine/clip/a.py", "from clipcap_ext.engine.sbg.b import B")
    plant(tmp_path, "clipcap_ext/engine/sbg/b.py", "")
    assert violations(tmp_path) == []
    plant(tmp_path, "clipcap_ext/engine/sbg/c.py", "from clipcap_ext.engine.clip.d import D")
    plant(tmp_path, "clipcap_ext/engine/clip/d.py", "")
    assert violations(tmp_path) == ["clipcap_ext.engine: a circle of rooms: clip, sbg"]


def test_a_full_folder_is_seen(tmp_path: Path) -> None:
    for number in range(16):
        plant(tmp_path, f"clipcap_ext/engine/a{number}.py", "")
    plant(tmp_path, "clipcap_ext/engine/__init__.py", "")
    assert violations(tmp_path) == ["clipcap_ext/engine: 16 files, and a folder has at most 15"]


def test_the_tables_name_real_layers() -> None:
    assert all(allowed <= LAYERS.keys() for allowed in LAYERS.values())
    assert all(homes for homes in HOMES.values())


def loads_torch(statement: str) -> bool:
    code = f"import sys; {statement}; sys.exit('torch' in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode != 0


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_it_loads_no_torch(module: str) -> None:
    name = f"clipcap_ext{module}"
    path = ROOT / name.replace(".", "/")
    if not (path.is_dir() or path.with_suffix(".py").exists()):
        pytest.skip(f"{name} is not built yet")
    assert not loads_torch(f"import {name}")


@pytest.mark.parametrize("module", ["__main__", "corpus", "batch.folder"])
def test_a_command_that_reckons_nothing_waits_for_no_numpy(module: str) -> None:
    code = f"import sys; import clipcap_ext.{module}; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_torch_check_sees_torch() -> None:
    assert importlib.util.find_spec("torch") is not None
    assert loads_torch("import torch")
