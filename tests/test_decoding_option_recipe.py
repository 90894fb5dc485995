"""The recipe of a decoding option in docs/extending.md, written line by line into a copy of the package and
used there: in the terminal, in the REST page, in the tab's form and by the engine. Two files change.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recipes import append, blocks, changed, copy_package, insert, run

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


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as the recipe leaves it; models and photos are linked, not copied."""
    folder = copy_package(tmp_path_factory.mktemp("recipe"))
    option, rule, use = blocks("A decoding option")
    insert(folder / OPTIONS, "\n    def __post_init__(self)", option)
    insert(folder / RULES, "    return restrictions\n", use)
    insert(folder / RULES, "from collections.abc import", "from collections import Counter\n")
    append(folder / RULES, rule)
    return folder


def test_the_recipe_changes_two_source_files(package: Path) -> None:
    assert changed(package) == [OPTIONS, RULES]


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
    words = ("-m", "clipcap_ext", "caption", photo, "--model", "tiny-flickr8k", "--when-unsure", "whole")
    usual, new = (run(package, *words, *more).split("\t")[1] for more in ((), ("--max-uses", "1")))
    assert repeats(usual), "the usual caption repeats nothing: another photo is needed"
    assert not repeats(new), new
