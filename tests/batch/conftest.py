"""A folder with five pictures in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from folder_runs import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "my [photos] 犬"
    for number in range(5):
        picture(root / f"p{number}.png", number)
    return root
