"""What `import clipcap_ext` offers: a version and two functions, imported when asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clipcap_ext

ROOT = Path(__file__).resolve().parents[1]


def test_the_two_functions_are_the_engines() -> None:
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.engine.images.reading import open_image

    assert (clipcap_ext.load_captioner, clipcap_ext.open_image) == (load_captioner, open_image)
    with pytest.raises(AttributeError, match="has no attribute 'captioner'"):
        _ = clipcap_ext.captioner


@pytest.mark.slow
def test_the_readmes_python_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    photo = ROOT / "clipcap_ext" / "examples" / "cat.jpg"
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})
    assert re.fullmatch(r"[a-z].*\.\n", capsys.readouterr().out)
