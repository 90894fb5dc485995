"""The recipe of a decoding option in docs/extending.md, written line by line into a copy of the package and
used there: in the terminal, in the REST page, in the tab's form and by the engine. Two files change.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OPTIONS, RULES = "clipcap_ext/caption.py", "clipcap_ext/engine/decoding/restrictions.py"
USE = """
import json
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.option_schema import options_schema
config = CheckpointConfig("clipcap", "one", {}, EncoderConfig(), {"max_uses": 1})
form = DecodingForm.of(config.decoding_options())
print(json.dumps({
    "schema": options_schema()["properties"]["max_uses"], "form": form.values["max_uses"],
    "acts": "max_uses" in form.acting(), "options": form.options().max_uses,
    "label": DecodingOptions.table()["max_uses"].control.label,
}))
"""


def blocks() -> list[str]:
    """The three pieces of code in the recipe."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^## A decoding option\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    return re.findall(r"^```python\n(.*?)^```", recipe, re.S | re.M)


def insert(path: Path, before: str, lines: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path.name}: the recipe's place {before!r} is not there once"
    path.write_text(text.replace(before, lines + before), encoding="utf-8")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as the recipe leaves it; models and photos are linked, not copied."""
    folder = tmp_path_factory.mktemp("recipe")
    linked = ("bundled", "examples")
    shutil.copytree(
        ROOT / "clipcap_ext", folder / "clipcap_ext", ignore=shutil.ignore_patterns("__pycache__", *linked)
    )
    for name in linked:
        (folder / "clipcap_ext" / name).symlink_to(ROOT / "clipcap_ext" / name)
    option, rule, use = blocks()
    insert(folder / OPTIONS, "\n    def __post_init__(self)", option)
    insert(folder / RULES, "    return found\n", use)
    insert(folder / RULES, "from collections.abc import", "from collections import Counter\n")
    (folder / RULES).write_text((folder / RULES).read_text() + "\n\n" + rule)
    return folder


def run(package: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(package), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, *words], cwd=package, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_recipe_changes_two_source_files(package: Path) -> None:
    changed = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        if path.read_bytes() != (ROOT / path.relative_to(package)).read_bytes()
    ]
    assert changed == [OPTIONS, RULES]


def test_flag_page_form_and_defaults_know_the_new_option(package: Path) -> None:
    assert "--max-uses USES" in run(package, "-m", "clipcap_ext", "caption", "--help")
    found = json.loads(run(package, "-c", USE))
    assert found["schema"]["type"] == "integer" and found["schema"]["maximum"] == 64
    assert (found["form"], found["options"], found["acts"]) == (1, 1, True)
    assert found["label"] == found["schema"]["title"] == "Uses of a word piece"


def repeats(text: str) -> bool:
    """Whether a word is said twice; the first one has no blank before it, so it is another word piece."""
    words = text.split()[1:]
    return len(set(words)) < len(words)


def test_it_does_in_the_terminal_what_it_says(package: Path) -> None:
    photo = str(package / "clipcap_ext" / "examples" / "astronaut.jpg")
    words = ("-m", "clipcap_ext", "caption", photo, "--model", "tiny-flickr8k", "--num-beams", "3")
    usual, new = (run(package, *words, *more).split("\t")[1] for more in ((), ("--max-uses", "1")))
    assert repeats(usual), "the usual caption repeats nothing: another photo is needed"
    assert not repeats(new), new
