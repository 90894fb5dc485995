"""CHAIR: which objects texts name, counts by hand, the laws that it keeps, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics import score
from clipcap_ext.metrics.chair import ANIMALS, categories, chair, coco_words, objects_in
from clipcap_ext.metrics.metric import Scored

SENTENCES = st.lists(
    st.sampled_from(["a dog", "two cats", "on a sofa", "snow", "the man", "a red bus", "with"]), max_size=5
).map(" ".join)
THERE = st.frozensets(st.sampled_from(["dog", "cat", "couch", "person", "bus", "zebra"]))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Two puppies and a HOT-DOG.", ["dog", "hot dog"]),
        ("a man sits on a sofa, and a woman on a couch", ["person", "couch", "person", "couch"]),
        ("a baby elephant beside a mother elephant", ["elephant", "elephant"]),
        ("a baby with a teddy bear", ["person", "teddy bear"]),
        ("a train station by the toilet paper", []),
        ("an orange shirt and oranges", ["orange"]),
        ("buses, knives and mice", ["bus", "knife", "mouse"]),
        ("a dogma of carpets", []),
        ("", []),
    ],
)
def test_objects_of_a_text(text: str, named: list[str]) -> None:
    assert objects_in(text) == named


def test_cocos_eighty_categories_and_no_word_of_two() -> None:
    assert len(categories()) == 80 and set(ANIMALS) < categories()
    said = [word for words in coco_words().values() for word in words]
    assert len(said) == len(set(said)) and all(re.fullmatch(r"[a-z]+( [a-z]+)*", word) for word in said)


def test_the_two_lists_of_words_agree() -> None:
    """Words that benchmarks/things.txt knows too are of one thing in both."""
    lines = (Path(__file__).parents[2] / "benchmarks" / "things.txt").read_text().splitlines()
    rows = [line.partition(":") for line in lines if line and not line.startswith("#")]
    things = {word.strip(): head for head, _, rest in rows for word in (head, *rest.split(","))}
    category = {word: name for name, words in coco_words().items() if name for word in words}
    meant: dict[str, set[str]] = {}
    for word in things.keys() & category.keys():
        meant.setdefault(things[word], set()).add(category[word])
    people = {thing: names - {"person"} for thing, names in meant.items()}  # a cyclist is both
    assert {thing: names for thing, names in people.items() if len(names) > 1} == {}
    assert len([names for names in people.values() if names]) > 60


def scored(captions: list[str], references: list[list[str]], there: list[frozenset[str]]) -> dict[str, float]:
    ids = [str(i) for i in range(len(captions))]
    given = Scored(captions, references, captions, references, ids, None, dict(zip(ids, there, strict=True)))
    return {key: table.value for key, table in chair(given).items()}


def test_counted_by_hand() -> None:
    captions = ["a dog and a cat on a sofa", "a man", "snow", "two cats and a cat"]
    references = [["a dog on the couch"], ["somebody"], ["snow"], ["a kitten"]]
    there = [frozenset({"dog"}), frozenset({"person"}), frozenset(), frozenset()]
    assert scored(captions, references, there) == pytest.approx({"CHAIRi": 1 / 6, "CHAIRs": 1 / 4})
    assert scored(["snow"], [["snow"]], [frozenset()]) == {"CHAIRi": 0, "CHAIRs": 0}


@given(st.lists(st.tuples(SENTENCES, SENTENCES, THERE), min_size=1, max_size=5))
@settings(max_examples=60)
def test_what_is_there_lowers_it_and_people_never_hallucinate(photos: list) -> None:
    captions, said, there = (list(column) for column in zip(*photos, strict=True))
    references = [[text] for text in said]
    found = scored(captions, references, there)
    assert all(0 <= value <= 1 for value in found.values())
    more = scored(captions, references, [marked | {"dog"} for marked in there])
    assert all(more[key] <= found[key] for key in found)
    assert scored(said, references, there) == {"CHAIRi": 0, "CHAIRs": 0}


def test_as_a_metric_by_name() -> None:
    texts = {"a": "a dog on a bus", "b": "a cat"}
    references = {"a": ["a dog"], "b": ["a cat"]}
    objects = {"a": frozenset({"dog"}), "b": frozenset[str]()}
    found = score(texts, references, "words", ["CHAIR"], objects=objects)
    assert found.values == pytest.approx({"CHAIRi": 1 / 3, "CHAIRs": 1 / 2})
    assert found.per_image["a"] == {"CHAIRi": 0.5, "CHAIRs": 1.0} and "|chair:coco80|" in found.signature
    resampled = found.tables["CHAIRi"].resampled(np.array([[2.0, 0.0], [0.0, 1.0]]))
    assert resampled == pytest.approx([0.5, 0.0])
    with pytest.raises(ScoringError, match="--instances FILE"):
        score(texts, references, "words", ["CHAIR"])
