"""Builds the package as people get it, an sdist and its wheel, and installs that elsewhere; not a test."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("clipcap_ext", "javascript", "localizations", "style.css", "setup.py", "MANIFEST.in",
           "pyproject.toml", "README.md", "LICENSE")  # fmt: skip
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def build_wheel(folder: Path) -> Path:
    """The wheel of the checkout, made of its own sdist as pip makes one; only setuptools takes part."""
    source = folder / "source"
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, source)
    with tarfile.open(_built("build_sdist", source, folder)) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    return _built("build_wheel", unpacked, folder)


@dataclass(frozen=True)
class Installed:
    """An environment that holds the package, installed from its wheel; its libraries are borrowed."""

    folder: Path

    @property
    def programs(self) -> Path:
        """Where `python` and `clipcap-ext` are."""
        return self.folder / "bin"

    @property
    def packages(self) -> Path:
        """Its own site-packages."""
        return next((self.folder / "lib").glob("python*")) / "site-packages"


def install(wheel: Path, folder: Path, borrowed: list[Path]) -> Installed:
    """A fresh environment with the wheel in it. borrowed: the site-packages whose libraries it uses, first
    come, first served."""
    venv.create(folder)
    made = Installed(folder)
    (made.packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    pip = [sys.executable, "-m", "pip", "--python", str(made.programs / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
    return made


def libraries(environment: str = "") -> Path | None:
    """The site-packages of this interpreter, or of one of the Makefile's environments; None if that is not
    built."""
    if not environment:
        return Path(sysconfig.get_path("purelib"))
    return next((ROOT / f".venv-{environment}").glob("lib/python*/site-packages"), None)


def extras() -> set[str]:
    """The names that pip takes in brackets."""
    (section,) = re.findall(r"^\[project.optional-dependencies\]\n(.*?)^\[", _pyproject(), re.S | re.M)
    return set(re.findall(r"^(\w+) = \[", section, re.M))


def _pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def _built(what: str, source: Path, folder: Path) -> Path:
    command = [sys.executable, "-c", BUILD, what, str(folder)]
    made = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    return folder / made.stdout.splitlines()[-1]
