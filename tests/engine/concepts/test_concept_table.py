"""The concept table as a file, and the evidence it makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable, read_table, write_table
from clipcap_ext.engine.concepts.evidence import Evidence, EvidenceConfig, evidence_text, strongest
from clipcap_ext.errors import CheckpointError, UsageError

TABLE = ConceptTable(
    (
        Concept("cat", "animal", (3, 5), ("cats",), ("kitten",)),
        Concept("scale", "device", (1,), vague=True),
        Concept("ball", "ball", (2,), ("balls",)),
    ),
    {"classifier": "none"},
    (Concept("animal", "animal", (), ("animals",)),),
)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_table(tmp_path / "concepts.json", TABLE)
    again = read_table(tmp_path / "concepts.json")
    assert again == TABLE and again.source == TABLE.source and again.words == ("cat", "scale", "ball")


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        "{",
        json.dumps({"concepts": [{"word": "cat", "kind": "animal", "classes": []}]}),
        json.dumps({"concepts": [{"word": "cat", "classes": [1]}]}),
        json.dumps({"concepts": [{"word": "", "kind": "animal", "classes": [1]}]}),
        json.dumps({"concepts": [{"word": w, "kind": "animal", "classes": [1]} for w in ("cat", "dog")]}),
        json.dumps({"general": [{"word": "plant", "kind": "plant"}], "concepts": []}),
        json.dumps({"general": [{"word": "plant"}], "concepts": []}),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, said: str) -> None:
    path = tmp_path / "concepts.json"
    path.write_text(said, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"concepts\.json"):
        read_table(path)


def test_the_strongest_come_first_and_the_weak_are_left_out() -> None:
    scores = torch.tensor([[0.1, 0.6, 0.2], [0.05, 0.01, 0.0], [0.3, 0.3, 0.3]])
    first, none, equal = strongest(scores, TABLE.words, EvidenceConfig(most=2))
    assert [one.word for one in first] == ["scale", "ball"] and none == ()
    assert first[0].probability == pytest.approx(0.6)
    assert [one.word for one in equal] == ["cat", "scale"], "equal ones in the table's order"


def test_marks_say_how_sure_and_the_text_ends_the_same_way() -> None:
    config = EvidenceConfig()
    seen = [Evidence("cat", 0.5), Evidence("scale", 0.2), Evidence("ball", 0.19)]
    marked = [(one.word, config.mark(one.probability)) for one in seen]
    assert evidence_text(marked) == " cat=, scale+, ball- :" and evidence_text([]) == " :"


@pytest.mark.parametrize("wrong", [{"low": 0.3}, {"sure": 1.5}, {"most": 0}, {"tokens": 1}])
def test_thresholds_out_of_order_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EvidenceConfig(**wrong)


def test_the_bundled_table_merges_what_people_call_one_thing_and_leaves_people_out() -> None:
    table = read_table(BUNDLED / "tiny-clip-flickr8k" / "concepts.json")
    by_word = {concept.word: concept for concept in table.concepts}
    assert len(by_word["dog"].classes) == 120 and by_word["cat"].classes == (281, 282, 283, 284, 285)
    classes = {number for concept in table.concepts for number in concept.classes}
    assert max(classes) < 1000
    assert {"animal", "vehicle", "building"} <= {one.word for one in table.general}
    assert not classes & {841, 610, 834, 982}, "sweatshirt, T-shirt, suit and bridegroom are no evidence"
