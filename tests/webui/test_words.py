"""The words on screen: every one has an entry in each language file, no entry is idle, no placeholder is
lost."""

from __future__ import annotations

import ast
import json
import string
from pathlib import Path

import pytest

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.folder_kinds import OF_OTHERS
from clipcap_ext.engine.published.published_models import PUBLISHED
from clipcap_ext.webui.settings import settings
from clipcap_ext.webui.words import FOLDER, OWN, Words, languages

WEBUI = Path(__file__).resolve().parents[2] / "clipcap_ext" / "webui"
SOURCES = [
    *sorted((WEBUI / "tab").rglob("*.py")),
    *(WEBUI.parent / "service" / name for name in ("model_facts.py", "doubt_words.py")),
]
LANGUAGES = [language for language in languages() if language != "en_US"]


# Whole texts of reForge, Forge, Forge Classic and SD.Next (2026-11) that the tab shows, too: what their
# sources hand to a component, and what stands alone in a table, a link or a tooltip of theirs.
HOSTS_WORDS = (
    "Append", "Batch", "Cancel", "Caption", "Copy", "Family", "Folder", "Model", "Models", "Prepend",
    "Prompt", "Refresh", "Remove", "Repetition penalty", "Replace", "Seed", "Skip", "Stop", "Tags",
    "Temperature", "Trigger word", "Undo", "Unload", "here",
)  # fmt: skip


def keys(language: str) -> dict[str, str]:
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def entries(language: str) -> dict[str, str]:
    """The translations by the texts that they are of."""
    return {key.removeprefix(OWN): text for key, text in keys(language).items()}


def literals() -> set[str]:
    nodes = (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def of_the_decoding_table() -> set[str]:
    controls = [option.control for option in DecodingOptions.table().values()]
    return {word for one in controls for word in (one.label, one.info, *one.names.values())}


def of_the_published() -> set[str]:
    """What the cards of the models to fetch say of them."""
    return {text for model in (*PUBLISHED, *OF_OTHERS) for text in (model.purpose, model.terms) if text}


def on_the_hosts_pages() -> set[str]:
    """What we show outside our tab, in English: a WebUI itself translates it by our files."""
    found = {setting.text for setting in settings(lambda: [])}
    for path in (WEBUI / "tab" / "parts.py", WEBUI / "hosts" / "interface.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given: list[ast.expr] = []
            if isinstance(node, ast.Call):
                given = [*node.args, *(one.value for one in node.keywords)]
            elif isinstance(node, ast.Assign):
                given = [node.value]
            texts = [one.value for one in given if isinstance(one, ast.Constant)]
            found |= {text for text in texts if isinstance(text, str) and " " in text}
    return found


def spoken() -> set[str]:
    """Every literal that is handed to `words` as it stands, and what the tables of options and models
    show."""
    found = of_the_decoding_table() | of_the_published() | on_the_hosts_pages()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("words", "context.words")
                and node.args
            ):
                constants = (one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant))
                found |= {value for value in constants if isinstance(value, str)}
    return found


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_there_are_english_and_others() -> None:
    assert {"de_DE", "en_US", "zh_CN"} <= set(languages())
    assert all(english == text for english, text in entries("en_US").items())


def test_every_word_is_listed_and_no_entry_is_idle() -> None:
    assert spoken() - set(entries("en_US")) == set()
    assert set(entries("en_US")) - literals() - spoken() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_is_whole(language: str) -> None:
    translated = entries(language)
    assert set(translated) == set(entries("en_US"))
    assert [
        text for text, other in translated.items() if not other.strip() or places(text) != places(other)
    ] == []
    assert sum(text != other for text, other in translated.items()) > 0.85 * len(translated)


@pytest.mark.parametrize("language", languages())
def test_no_key_is_one_of_the_hosts_own_words(language: str) -> None:
    assert set(keys(language)) & set(HOSTS_WORDS) == set()
    assert {key.removeprefix(OWN) for key in keys(language) if key.startswith(OWN)} == set(HOSTS_WORDS)


def test_a_text_of_a_host_is_found_behind_our_name() -> None:
    assert Words("de_DE")("Batch") == "Stapel"
    assert Words("de_DE")("Caption") != Words("de_DE")("Caption text")  # a button and a box


def test_words_fall_back_to_english(tmp_path: Path) -> None:
    assert Words("de_DE")("{done} of {total}", done=1, total=2) == "1 von 2"
    assert Words("de_DE")("not listed {here}", here="x") == "not listed x"
    assert Words("None")("Stop") == "Stop"
    assert Words("")("Stop") == "Stop"
