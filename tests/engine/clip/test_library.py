"""A host without open_clip: one line tells what is missing and the command that mends it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from clipcap_ext.engine.clip import library
from clipcap_ext.engine.clip.library import NEEDED, import_open_clip, remedy
from clipcap_ext.errors import CaptionError
from clipcap_ext.service.tokens import _tokenizer, count_tokens

ROOT = Path(__file__).resolve().parents[3]
PHOTO = ROOT / "clipcap_ext" / "examples" / "cat.jpg"


@pytest.mark.parametrize("name", ["open_clip", "ftfy"])
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [loaded for loaded in sys.modules if loaded.split(".")[0] == "open_clip"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        CaptionError, match=f"^{name} is not installed here: run .* and start again"
    ) as caught:
        import_open_clip()
    assert f'"{sys.executable}" -m pip install --no-deps' in str(caught.value)
    assert NEEDED[name] in str(caught.value) and "timm " not in str(caught.value)
    assert ". " not in str(caught.value)  # a page shows the first sentence, and folds the rest


@pytest.mark.parametrize(("timm", "below"), [("0.9.16", 3), ("1.0.17", 4), ("", 4)])
def test_open_clip_is_asked_for_in_a_version_for_the_timm_there_is(
    timm: str, below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if not timm:
            raise PackageNotFoundError(package)
        return timm

    monkeypatch.setattr(library, "version", version)
    monkeypatch.setattr(library, "find_spec", lambda name: None if name == "open_clip" else object())
    assert remedy().endswith(f'--no-deps "open_clip_torch>=2.20,<{below}"')


def test_no_tokens_are_counted_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    assert (count_tokens("a dog"), count_tokens(" ")) == (None, 0)


def caption_without_it(model: str) -> subprocess.CompletedProcess[str]:
    hiding = "import sys, runpy; sys.modules['open_clip'] = None; sys.argv[0] = 'clipcap_ext'; "
    code = hiding + "runpy.run_module('clipcap_ext', run_name='__main__')"
    command = [sys.executable, "-c", code, "caption", str(PHOTO), "--model", model]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command_says_the_line_and_nothing_foreign(tiny_folder: Path) -> None:
    ended = caption_without_it(str(tiny_folder / "tiny-clipcap"))
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "open_clip is not installed here: run" in ended.stderr


def test_the_bundled_model_captions_without_it() -> None:
    ended = caption_without_it("tiny-flickr8k")
    assert ended.returncode == 0 and ended.stdout.startswith(f"{PHOTO}\t"), ended.stderr
