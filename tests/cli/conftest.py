"""A terminal in memory: run a command, see what it wrote where."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from clipcap_ext.__main__ import main
from clipcap_ext.cli.streams import Streams


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def command() -> Callable[..., Ran]:
    """Runs words as `python -m clipcap_ext` would; nothing but results may be on `out`."""

    def run(*words: object) -> Ran:
        streams = Streams(io.StringIO(), io.StringIO())
        code = main([str(word) for word in words], streams)
        return Ran(code, streams.out.getvalue(), streams.err.getvalue())

    return run


@pytest.fixture
def terminal(command: Callable[..., Ran], tiny_folder: Path) -> Callable[..., Ran]:
    """The same with the tiny models."""

    def run(*words: object, model: str | None = "tiny-clipcap") -> Ran:
        chosen = ["--models-dir", str(tiny_folder)] + (["--model", model] if model else [])
        return command(*words, *chosen)

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of five pictures, one of them broken and one in a folder of its own."""
    folder = tmp_path / "my photos"
    (folder / "[sub] é").mkdir(parents=True)
    for number, name in enumerate(("1.jpg", "2.png", "10.jpg", "[sub] é/写真.png")):
        Image.linear_gradient("L").rotate(90 * number).convert("RGB").resize((60, 40 + number)).save(
            folder / name
        )
    (folder / "3.jpg").write_text("no picture")
    return folder
