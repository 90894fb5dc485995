"""CLIPScore, RefCLIPScore and the human line against numbers worked out by hand and against their laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_images, write_tiny_encoder

from clipcap_ext.corpus import Corpus, Example
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.judge import ClipJudge, nearest_cosines, paired_cosines
from clipcap_ext.evaluate.people.human_line import human_line
from clipcap_ext.metrics import MetricTable, Scores, score
from clipcap_ext.metrics.clip_score import clip_scores, ref_clip_scores


def unit(*rows: list[float]) -> np.ndarray:
    array = np.array(rows, dtype=float)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def plain_scores(images: np.ndarray, said: np.ndarray) -> np.ndarray:
    return clip_scores(paired_cosines(images, said))


def beside_references(plain: np.ndarray, said: np.ndarray, references: list[np.ndarray]) -> np.ndarray:
    return ref_clip_scores(plain, nearest_cosines(said, references))


def test_by_hand() -> None:
    images, said = unit([1, 0], [1, 0], [1, 0]), unit([3, 4], [-1, 0], [1, 0])
    plain = plain_scores(images, said)
    assert plain == pytest.approx([2.5 * 0.6, 0.0, 2.5])
    references = [unit([3, 4], [0, 1]), unit([-1, 0]), unit([-1, 0])]
    assert beside_references(plain, said, references) == pytest.approx([2 * 1.5 * 1 / 2.5, 0.0, 0.0])


@given(st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=30)
def test_laws(count: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    images, said = (unit(*draw.normal(size=(count, 4)).tolist()) for _ in range(2))
    references = [unit(*draw.normal(size=(3, 4)).tolist()) for _ in range(count)]
    plain = plain_scores(images, said)
    found = beside_references(plain, said, references)
    assert ((plain >= 0) & (plain <= 2.5)).all() and (found <= 2 * plain + 1e-9).all()
    assert plain_scores(images, images) == pytest.approx(np.full(count, 2.5))  # nothing is nearer than itself
    doubled = [np.concatenate([refs, refs]) for refs in references]
    assert beside_references(plain, said, doubled) == pytest.approx(found)
    order = draw.permutation(count)
    assert plain_scores(images[order], said[order]) == pytest.approx(plain[order])
    with_itself = [np.concatenate([refs, one[None]]) for refs, one in zip(references, said, strict=True)]
    assert (beside_references(plain, said, with_itself) >= found - 1e-9).all()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(tiny_images(3)):
        image.save(folder / f"{number}.png")
    return Corpus(
        "toy", tuple(Example(f"{i}.png", folder / f"{i}.png", ("a dog", "a cat")) for i in range(3))
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("judge") / "judge"
    write_tiny_encoder(folder)
    return load_encoder(
        EncoderConfig("judge", "", False), folder=folder
    )  # unit norm is the metric's own doing


def test_a_judge_takes_features_as_they_are(photos: Corpus, encoder) -> None:  # type: ignore[no-untyped-def]
    captions = {"0.png": "a dog", "1.png": "snow", "2.png": "a dog"}
    references = {example.image_id: example.captions for example in photos.examples}
    scores = score(captions, references, "words", ["BLEU"])
    judge = ClipJudge("judge", encoder, photos)
    found = score(captions, references, "words", ["CLIPScore", "BLEU"], judge=judge)
    assert {key: found.tables[key].value for key in scores.tables} == scores.values
    images = encoder.encode_image(tiny_images(3))
    images = images / images.norm(dim=-1, keepdim=True)
    texts = encoder.encode_text(["A photo depicts a dog", "A photo depicts snow", "A photo depicts a dog"])
    expected = 2.5 * (images * texts).sum(-1).clamp_min(0)
    assert found.tables["CLIPScore"].per_image == pytest.approx(expected.numpy(), abs=1e-5)
    assert found.values["CLIPScore"] == pytest.approx(float(expected.mean()), abs=1e-5)
    assert found.signature == scores.signature.replace(
        "|v:", f"|clipscore:w2.5:judge:{encoder.fingerprint[:8]}|v:"
    )


def test_broken_photos_and_cnns_give_no_clip_score(tmp_path: Path, encoder, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "x.png").write_bytes(b"no picture")
    tiny_images(1)[0].save(tmp_path / "y.png")
    broken = Corpus("toy", tuple(Example(name, tmp_path / name, ("a dog",)) for name in ("x.png", "y.png")))
    with pytest.raises(ScoringError, match=r"needs every image; x\.png"):
        captions, references = (
            dict.fromkeys(("x.png", "y.png"), "a"),
            dict.fromkeys(("x.png", "y.png"), ("b",)),
        )
        judge = ClipJudge("judge", encoder, broken)
        score(captions, references, "words", ["CLIPScore"], judge=judge)
    monkeypatch.setattr(type(encoder), "reads_text", False)
    with pytest.raises(ScoringError, match="judge has no text tower"):
        ClipJudge("judge", encoder, broken)


def test_a_photo_may_have_several_captions(photos: Corpus, encoder) -> None:  # type: ignore[no-untyped-def]
    owners = {"first": "0.png", "second": "0.png", "third": "2.png"}
    captions = {"first": "a dog", "second": "snow", "third": "a dog"}
    references = dict.fromkeys(owners, ("a cat",))
    judge = ClipJudge("judge", encoder, photos)
    found = score(captions, references, "words", ["CLIPScore"], judge=judge, photos=owners).per_image
    alone = {"0.png": captions["second"]}, {"0.png": ("a cat",)}
    assert found["second"] == score(*alone, "words", ["CLIPScore"], judge=judge).per_image["0.png"]


def test_without_an_encoder_it_is_refused() -> None:
    with pytest.raises(ScoringError, match="CLIPScore needs an encoder"):
        score({"a": "a dog"}, {"a": ["a cat"]}, "words", ["CLIPScore"])


REFERENCES = {
    "a": ["a dog runs fast", "a dog runs fast", "snow"],
    "b": ["two men", "two men play", "four people sit down"],
}  # fmt: skip


def test_the_oracle_takes_the_first_of_equal_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    def scored(texts: dict[str, str], *_: object) -> Scores:
        first = texts["a"] == "first"
        value, rows = (0.3, [[1.0]]) if first else (0.1 + 0.2, [[2.0]])
        table = MetricTable(value, np.array([value]), np.array(rows), lambda sums: sums[..., 0])
        return Scores(("a",), ("x",), {"X": table}, "")

    monkeypatch.setattr("clipcap_ext.evaluate.people.human_line.score", scored)
    assert human_line({"a": ["first", "second"]}, "words", ["X"])["X"]["best"] == 1.0


def test_the_human_line_by_hand() -> None:
    found = human_line(REFERENCES, "words", ["ROUGE-L"])["ROUGE-L"]
    persons = []
    for k in range(3):
        others = {key: [*texts[:k], *texts[k + 1 :]] for key, texts in REFERENCES.items()}
        persons.append(
            score({key: texts[k] for key, texts in REFERENCES.items()}, others, "words", ["ROUGE-L"])
        )
    assert found["one"] == pytest.approx(np.mean([one.values["ROUGE-L"] for one in persons]))
    best = [max(one.per_image[key]["ROUGE-L"] for one in persons) for key in REFERENCES]
    assert best[0] == 1.0 and found["best"] == pytest.approx(np.mean(best))


def test_the_oracle_is_no_worse_than_any_person_and_pools_counts() -> None:
    found = human_line(REFERENCES, "words", ["BLEU", "CIDEr-D"])
    assert all(row["best"] >= row["one"] - 1e-9 for row in found.values())
    # BLEU-1: 4 words of 4 and, as "two men" alone would be too short, 2 of 3; a mean of images would give 5/6
    assert found["BLEU-1"]["best"] == pytest.approx(6 / 7)
    with pytest.raises(ScoringError, match="at least two references"):
        human_line({"a": ["a dog"], "b": ["a", "b"]}, "words", ["BLEU"])
