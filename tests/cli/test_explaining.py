"""`caption --explain` with a model that guesses from keywords: the tree, keywords by hand, the drawing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def explained(terminal: Callable[..., Any], tiny_sbg: Path, photos: Path) -> Callable[..., Any]:
    """Caption one photo with the tiny SBG and these words."""

    def run(*words: object, picture: str = "1.jpg") -> Any:
        return terminal("caption", photos / picture, *words, "--model", tiny_sbg, model=None)

    return run


def test_the_tree_is_printed(explained: Callable[..., Any]) -> None:
    ran = explained("--explain")
    assert ran.code == 0, ran.err
    assert "scene: open (asked for every image)" in ran.out
    assert "candidates" in ran.out and "support" in ran.out and "###" in ran.out


def test_json_holds_tree_and_effects(explained: Callable[..., Any]) -> None:
    figures: list[str] = []
    ran = explained("--explain", "--json")
    said = json.loads(ran.out, parse_float=lambda text: figures.append(text) or 0.0)
    assert len(figures) > 20 and all(len(text.partition(".")[2]) <= 4 for text in figures)  # no last digits
    assert said["caption"] == said["candidates"][0]["text"]
    assert said["keywords"][0]["text"] == said["effects"][0]["keyword"]["text"]
    assert {branch["facet"] for branch in said["tree"]["branches"]} >= {
        "scene",
        "people",
        "object",
        "weather",
    }


def test_keywords_by_hand(explained: Callable[..., Any]) -> None:
    first = [one["text"] for one in json.loads(explained("--explain", "--json").out)["keywords"]]
    less = json.loads(explained("--json", "--without", first[0], "--add", "zebra").out)
    assert [one["text"] for one in less["keywords"]] == [*first[1:], "zebra"]
    exact = json.loads(explained("--json", "--keywords", "red, dog").out)
    assert exact["prompt"] == "red, dog ###"
    none = json.loads(explained("--json", "--keywords", "").out)
    assert none["keywords"] == [] and none["caption"]


def test_the_tree_can_be_drawn(explained: Callable[..., Any], tmp_path: Path) -> None:
    assert explained("--svg", tmp_path / "trees").code == 0
    assert (tmp_path / "trees" / "1.svg").read_text(encoding="utf-8").startswith("<svg")


def test_what_makes_no_sense_is_refused(
    explained: Callable[..., Any], terminal: Callable[..., Any], photos: Path
) -> None:
    both = explained("--keywords", "a", "--add", "b")
    assert both.code == 2 and "--keywords" in both.err
    other = terminal("caption", photos / "1.jpg", "--without", "dog")
    assert other.code == 2 and "keywords" in other.err
    comma = explained("--add", "a, b")
    assert comma.code == 2 and "write it as two" in comma.err
    broken = explained("--explain", picture="3.jpg")
    assert broken.code == 1 and "3.jpg" in broken.err
