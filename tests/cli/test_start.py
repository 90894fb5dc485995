"""What `caption` imports for a bundled model: torch and small libraries, none that holds models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "clipcap_ext" / "examples" / "cat.jpg"
SLOW = {"open_clip", "timm", "torchvision", "transformers", "torch._dynamo", "gradio", "pandas", "scipy"}
CODE = """
import json, runpy, sys
try:
    runpy.run_module("clipcap_ext", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("model", ["tiny-flickr8k", "tiny-sbg-flickr8k"])
def test_the_bundled_models_need_no_library_of_models(model: str) -> None:
    command = [sys.executable, "-c", CODE, "caption", str(PHOTO), "--model", model]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    captions = ended.stdout.splitlines()
    imported = set(json.loads(captions.pop()))
    assert captions[0].startswith(str(PHOTO)) and "torch" in imported
    assert not imported & SLOW
