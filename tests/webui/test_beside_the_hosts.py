"""Runs what needs a host's own libraries in the environments that have them, where those are built: the tests
of the REST routes beside fastapi and pydantic of then, those of the tab's own steps beside gradio.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = (
    "tests/webui/test_binding.py", "tests/webui/test_panes.py", "tests/webui/test_visible_words.py",
    "tests/webui/test_image_to_text_panes.py", "tests/webui/test_tagger_panes.py",
    "tests/hub/test_download_and_caption.py",
)  # fmt: skip
BESIDE = {
    "gradio3": ("tests/webui/test_api.py", *ALL), "gradio4": ("tests/webui/test_api.py", *ALL), "gradio6": ALL
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BESIDE)
def test_beside_the_hosts_pins(name: str) -> None:
    """gradio3 is 3.41 with pydantic 1 and fastapi 0.94, gradio4 is 4.40 with pydantic 2 and fastapi 0.104.

    gradio6 is today's, which the standalone page has; what REST needs is in the main environment already.
    """
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no .venv-{name}: python3 tools/environment.py compat {name}")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BESIDE[name]]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stdout[-6000:]
