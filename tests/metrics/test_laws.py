"""Laws of the metrics on any captions: the best caption, the order of images, the same reference twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.metrics import score

WORDS = st.sampled_from(["a", "dog", "cat", "man", "runs", "on", "the", "red", "snow"])
LONG = st.lists(WORDS, min_size=4, max_size=9).map(" ".join)
SENTENCE = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
REST = {"y": ["the red cat runs"], "z": ["a man on the snow", "two men"]}
REST_SAID = {"y": "a cat", "z": "a man on snow"}
PURE = ("BLEU", "ROUGE-L", "CIDEr-D")


def of_x(text: str, references: list[str], metrics: tuple[str, ...] = PURE) -> dict[str, float]:
    """The scores of one image's caption among two others'."""
    return score({"x": text, **REST_SAID}, {"x": references, **REST}, "words", metrics).per_image["x"]


@given(LONG, st.lists(SENTENCE, max_size=3), SENTENCE)
@settings(max_examples=60)
def test_no_caption_beats_a_reference_in_bleu_and_rouge(own: str, others: list[str], text: str) -> None:
    """CIDEr-D is no such metric: it averages over references, so a caption like most of them may win."""
    same, other = (of_x(said, [own, *others], ("BLEU", "ROUGE-L")) for said in (own, text))
    assert all(same[name] >= other[name] - 1e-6 for name in same)


@given(LONG, SENTENCE)
@settings(max_examples=60)
def test_no_caption_beats_the_only_reference(own: str, text: str) -> None:
    same, other = of_x(own, [own]), of_x(text, [own])
    assert all(same[name] >= other[name] - 1e-6 for name in same)


@given(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=3), st.integers(0, 2))
@settings(max_examples=60)
def test_a_reference_twice_changes_nothing_where_the_best_counts(
    text: str, references: list[str], which: int
) -> None:
    twice = [*references, references[which % len(references)]]
    once, again = (of_x(text, some, ("BLEU", "ROUGE-L")) for some in (references, twice))
    assert once == pytest.approx(again, abs=1e-12)


@given(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=3))
@settings(max_examples=60)
def test_all_references_twice_change_no_mean_either(text: str, references: list[str]) -> None:
    assert of_x(text, references * 2) == pytest.approx(of_x(text, references), abs=1e-9)


@given(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=2), SENTENCE)
@settings(max_examples=60)
def test_one_more_reference_never_lowers_rouge(text: str, references: list[str], more: str) -> None:
    before, after = (of_x(text, some, ("ROUGE-L",)) for some in (references, [*references, more]))
    assert after["ROUGE-L"] >= before["ROUGE-L"] - 1e-12


@given(st.permutations(["x", "y", "z"]), SENTENCE, SENTENCE)
@settings(max_examples=40)
def test_neither_the_order_of_images_nor_their_names_count(
    order: list[str], text: str, reference: str
) -> None:
    said, references = {"x": text, **REST_SAID}, {"x": [reference], **REST}
    first = score(said, references, "words", PURE)
    second = score({key: said[key] for key in order}, {key: references[key] for key in order}, "words", PURE)
    assert first.per_image == second.per_image and first.values == second.values
    renamed = dict(zip("xyz", "cab", strict=True))
    third = score(
        {renamed[key]: one for key, one in said.items()},
        {renamed[key]: one for key, one in references.items()}, "words", PURE,
    )  # fmt: skip
    assert third.values == pytest.approx(first.values, abs=1e-12)
    assert third.per_image["c"] == pytest.approx(first.per_image["x"], abs=1e-12)


@given(SENTENCE, st.sampled_from(["DOG ", " . ", " , ", "  "]))
@settings(max_examples=40)
def test_case_punctuation_and_spaces_do_not_count_in_the_words_protocol(text: str, noise: str) -> None:
    changed = text.upper().replace(" ", noise if noise.isspace() or not noise.strip().isalpha() else " ")
    assert of_x(changed, ["the red dog runs"]) == of_x(text, ["the red dog runs"])


@pytest.mark.java
@pytest.mark.slow
def test_the_laws_hold_for_meteor_too() -> None:
    """All in one run of the program, which takes long to start; it scores an image by itself."""
    known = ["a brown dog runs in the snow", "a dog plays"]
    said = ["a brown dog runs in the snow", "a dog plays in snow", "two cats", "a dog"]
    hypotheses = {str(place): text for place, text in enumerate(said)} | {"again": said[1]}
    references = {name: known for name in hypotheses} | {"again": known * 2}
    found = score({**hypotheses, **REST_SAID}, {**references, **REST}, "words", ["METEOR"]).per_image
    values = [found[str(place)]["METEOR"] for place in range(len(said))]
    assert values[0] == max(values) == pytest.approx(1.0)
    assert values[2] == 0 < values[3] < values[1]
    assert found["again"]["METEOR"] == pytest.approx(values[1])
