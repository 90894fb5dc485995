"""Controls, bootstrap, text statistics and retrieval: the pure parts of an evaluation, by hand and by their
laws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.evaluate.control_captions import (
    CONSTANT,
    WRONG_IMAGES,
    control_systems,
    derangement,
    typical_caption,
)
from clipcap_ext.evaluate.encoders import encode_texts
from clipcap_ext.evaluate.retrieval import retrieval_figures, retrieval_tables
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.text_statistics import text_statistics
from clipcap_ext.metrics.metric_table import mean_table
from clipcap_ext.metrics.overlap import bleu, rouge_l


@given(st.integers(2, 60), st.integers(0, 1000))
@settings(max_examples=50)
def test_nothing_keeps_its_place(n: int, seed: int) -> None:
    moved = derangement(n, seed)
    assert sorted(moved) == list(range(n))
    assert all(moved != np.arange(n))
    assert all(moved == derangement(n, seed))


def test_controls_are_the_captions_moved_and_one_repeated() -> None:
    captions = {"a": "a dog", "b": "a cat", "c": "a dog", "d": "snow falls"}
    found = control_systems(captions, seed=0)
    assert sorted(found[WRONG_IMAGES].values()) == sorted(captions.values())
    assert found[CONSTANT] == dict.fromkeys(captions, "a dog")
    assert found == control_systems(dict(reversed(captions.items())), seed=0)
    assert list(control_systems({"a": "a dog"}, seed=0)) == [CONSTANT]


def test_the_typical_caption_has_the_words_of_most() -> None:
    captions = ["a red bus", "a dog runs", "a dog jumps in snow", "the dog runs"]
    assert typical_caption(dict(enumerate(captions))) == "a dog runs"


def test_intervals_hold_the_value_shrink_with_images_and_repeat() -> None:
    draw = np.random.default_rng(1)
    few, many = (mean_table(draw.normal(0.5, 0.1, n)) for n in (100, 2500))
    intervals = (
        Bootstrap(samples=400).intervals({"x": few})["x"],
        Bootstrap(samples=400).intervals({"x": many})["x"],
    )
    widths = [high - low for low, high in intervals]
    assert intervals[0][0] < few.value < intervals[0][1]
    # The standard error of a mean: 2 * 1.96 * 0.1 / sqrt(n)
    assert widths == pytest.approx([0.0392, 0.00784], rel=0.2)
    assert Bootstrap(samples=400).intervals({"x": few})["x"] == intervals[0]
    assert Bootstrap(samples=400, seed=7).intervals({"x": few})["x"] != intervals[0]
    assert Bootstrap().intervals({}) == {}


def test_a_resample_scores_as_the_images_it_drew_would() -> None:
    texts = ["a dog runs in snow", "the cat", "a man on a red bus in town", "two dogs run"]
    references = [
        ["a dog runs fast"],
        ["the cat sleeps there"],
        ["a man on a bus in town"],
        ["dogs run and jump"],
    ]
    weights = Bootstrap(samples=5).weights(4)
    assert weights.sum(axis=1).tolist() == [4.0] * 5
    for row in weights:
        drawn = np.repeat(np.arange(4), row.astype(int))
        chosen = [texts[i] for i in drawn], [references[i] for i in drawn]
        for metric in (bleu, rouge_l):
            whole, again = metric(texts, references), metric(*chosen)
            for name, table in whole.items():
                assert table.resampled(row[None])[0] == pytest.approx(again[name].value, abs=1e-9), name


def test_text_statistics_by_hand() -> None:
    found = text_statistics(["a dog runs", "a dog runs", "the dog", ""])
    assert found["length"] == {"mean": 2.0, "sd": pytest.approx(np.std([3, 3, 2, 0])), "min": 0, "max": 3}
    assert (found["vocabulary"], found["distinct_captions"], found["duplicates"], found["empty"]) == (
        4,
        3,
        1,
        1,
    )
    assert found["distinct_1"] == 4 / 8 and found["distinct_2"] == 3 / 5
    assert found["most_frequent"] == {"caption": "a dog runs", "times": 2}
    assert text_statistics(["", ""])["distinct_2"] == 0.0


def unit(rows: list[list[float]]) -> np.ndarray:
    array = np.array(rows, dtype=float)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_recall_by_hand() -> None:
    images = unit([[1, 0], [0, 1], [-1, 0]])
    # Texts of image 0: right, and nearer to image 1. Of image 1: right. Of image 2: nearest to image 0, then
    # 1.
    texts = unit([[1, 0.1], [0.5, 1], [0, 1], [1, 0.2]])
    values = {name: table.value for name, table in retrieval_tables(images, texts, [0, 0, 1, 2]).items()}
    assert values["text-to-image R@1"] == 2 / 4
    assert values["text-to-image R@5"] == values["image-to-text R@5"] == 1.0
    # Image 0 is best found by its own first text, image 1 by its own; image 2's own text is its farthest but
    # one.
    assert values["image-to-text R@1"] == pytest.approx(2 / 3)


def test_ties_count_against_the_encoder() -> None:
    same = np.ones((20, 4)) / 2
    values = [table.value for table in retrieval_tables(same, same, range(20)).values()]
    assert values == [0.0] * 6


@pytest.mark.parametrize("noise", [0.0, 3e-7])
def test_equal_texts_and_photos_tie_though_their_features_differ_in_the_last_digit(noise: float) -> None:
    draw = np.random.default_rng(3)
    photo, text = draw.normal(size=(2, 64))
    images, texts = (
        unit(np.tile(row, (count, 1)) + draw.uniform(-noise, noise, size=(count, 64)))
        for row, count in ((photo, 20), (text, 40))
    )
    owners = np.repeat(np.arange(20), 2)
    assert [table.value for table in retrieval_tables(images, texts, owners).values()] == [0.0] * 6


class Placing:
    """An encoder whose features know their place in the batch in the last digit, as a processor's may."""

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        rows = torch.tensor([[len(text), text.count("a"), 1.0] for text in texts])
        return rows + torch.arange(len(texts))[:, None] * 1e-6


def test_equal_texts_have_equal_features_wherever_they_stand() -> None:
    texts = ["a cat", "a dog runs", "a cat", *(f"text {i}" for i in range(150)), "a cat"]
    features = encode_texts(Placing(), texts)
    assert len(features) == len(texts)
    assert torch.equal(features[0], features[2]) and torch.equal(features[0], features[-1])
    assert features[1].tolist() == pytest.approx([10, 1, 1], abs=1e-3)


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=30)
def test_recall_against_sorting(images: int, captions: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    image_features, text_features = (unit(draw.normal(size=(n, 5))) for n in (images, images * captions))
    owners = np.repeat(np.arange(images), captions)
    tables = retrieval_tables(image_features, text_features, owners)
    cosines = text_features @ image_features.T
    for cut in (1, 5, 10):
        found = [owners[row] in np.argsort(-cosines[row])[:cut] for row in range(len(owners))]
        assert tables[f"text-to-image R@{cut}"].value == pytest.approx(np.mean(found))
        shown = [any(owners[np.argsort(-cosines[:, i])[:cut]] == i) for i in range(images)]
        assert tables[f"image-to-text R@{cut}"].value == pytest.approx(np.mean(shown))
    figures = retrieval_figures(tables, Bootstrap(samples=50))
    assert all(low <= high for low, high in (figure["interval"] for figure in figures.values()))
