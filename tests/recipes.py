"""The recipes of docs/extending.md, carried out: their pieces of code, a copy of the package to write them
into, and its commands; not a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKED = ("bundled", "examples")  # models and photos are linked, not copied


def blocks(title: str) -> list[str]:
    """The pieces of code in the recipe of that title."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    return re.findall(r"^```python\n(.*?)^```", recipe, re.S | re.M)


def copy_package(folder: Path) -> Path:
    """The package as it is, in `folder`; returns `folder`."""
    ignored = shutil.ignore_patterns("__pycache__", *LINKED)
    shutil.copytree(ROOT / "clipcap_ext", folder / "clipcap_ext", ignore=ignored)
    for name in LINKED:
        (folder / "clipcap_ext" / name).symlink_to(ROOT / "clipcap_ext" / name)
    return folder


def insert(path: Path, before: str, lines: str) -> None:
    """Write `lines` in front of what stands in the file once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path.name}: the recipe's place {before!r} is not there once"
    path.write_text(text.replace(before, lines + before), encoding="utf-8")


def append(path: Path, lines: str) -> None:
    """Write `lines` at the end, as a definition of its own."""
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + lines, encoding="utf-8")


def changed(package: Path) -> list[str]:
    """The source files of a copy that are new or not as they were."""

    def same(path: Path) -> bool:
        own = ROOT / path.relative_to(package)
        return own.is_file() and own.read_bytes() == path.read_bytes()

    return [path.relative_to(package).as_posix() for path in sorted(package.rglob("*.py")) if not same(path)]


def run(package: Path, *words: str | Path, fails: bool = False) -> str:
    """Python on those words, with the copy for a package; its standard output. fails: its exit code is 1."""
    environment = {**os.environ, "PYTHONPATH": str(package), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, *map(str, words)], cwd=package, env=environment, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert ran.returncode == (1 if fails else 0), ran.stderr
    return ran.stdout
