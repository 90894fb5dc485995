"""The command `judge`: the nearest caption first, its words, what leaves with one, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CAPTIONS = ("a dog runs in the snow", "Two men, with a red ball")


def test_captions_are_judged_word_by_word(terminal: Callable[..., Any], photos: Path) -> None:
    ran = terminal("judge", photos / "1.jpg", *CAPTIONS, "--json")
    assert ran.code == 0, ran.err
    first, second = map(json.loads, ran.out.splitlines())
    assert {first["text"], second["text"]} == set(CAPTIONS)
    assert first["similarity"] >= second["similarity"]
    assert first["judge"] == "tiny-clipcap"
    dog = next(one for one in (first, second) if one["text"] == CAPTIONS[0])
    assert [word["text"] for word in dog["words"]] == ["dog", "runs", "snow"]
    assert dog["words"][2]["without"] == "a dog runs"
    shown = terminal("judge", photos / "1.jpg", *CAPTIONS).out.splitlines()
    assert [line for line in shown if not line.startswith("\t")] == [
        f"{one['similarity']:.3f}\t{one['text']}" for one in (first, second)
    ]
    marked = [line for line in shown if "not supported; without it:" in line]
    assert len(marked) == sum(word["unsupported"] for one in (first, second) for word in one["words"])


def test_sbg_judges_by_its_clip_and_loads_no_gpt2(
    command: Callable[..., Any], tiny_sbg: Path, photos: Path
) -> None:
    ran = command("judge", photos / "2.png", "a dog", "--json", "--model", tiny_sbg)
    assert ran.code == 0 and json.loads(ran.out)["judge"] == str(tiny_sbg)
    assert "loaded" not in ran.err


def test_what_cannot_be_judged_is_told(terminal: Callable[..., Any], photos: Path) -> None:
    broken = terminal("judge", photos / "3.jpg", "a dog")
    assert broken.code != 0 and "3.jpg" in broken.err and not broken.out
    nobody = terminal("judge", photos / "1.jpg", "a dog", model="nobody")
    assert nobody.code != 0 and "No model named 'nobody'" in nobody.err
    nothing = terminal("judge", photos / "1.jpg")
    assert nothing.code == 2 and "--by a model" in nothing.err
    empty = json.loads(terminal("judge", photos / "1.jpg", "", "--json").out)
    assert empty["words"] == [] and empty["text"] == ""


def test_candidates_of_several_models_stand_beside_a_persons_own(
    terminal: Callable[..., Any], photos: Path
) -> None:
    both = ("--by", "tiny-clipcap", "--by", "tiny-transformer")
    ran = terminal("judge", photos / "1.jpg", "a dog", *both, "--json", "--brief")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["similarity"] for row in rows] == sorted((row["similarity"] for row in rows), reverse=True)
    assert {name for row in rows for name in row["models"]} == {"tiny-clipcap", "tiny-transformer"}
    assert next(row for row in rows if row["text"] == "a dog")["models"] == []
    assert all(row["words"] == [] for row in rows)
    shown = terminal("judge", photos / "1.jpg", *both, "--brief").out.splitlines()
    assert all(line.count("\t") == 2 for line in shown)
