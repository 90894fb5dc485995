"""The captioner as its users call it: pictures in, captions out, ranked by CLIP where asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from clipcap_ext.caption import Candidate, DecodingOptions
from clipcap_ext.engine import captioner as module
from clipcap_ext.engine.captioner import LIKELIHOOD, keep_distinct, rank_by_both, rank_by_similarity
from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.engine.factory import load_captioner

PICTURES = [
    Image.linear_gradient("L").convert("RGB"),
    Image.new("RGB", (40, 30), "teal"),
    Image.new("RGB", (9, 9)),
]
SAMPLES = DecodingOptions(max_new_tokens=8, temperature=1.2, num_candidates=4, seed=3)


@pytest.fixture(scope="module", params=["tiny-clipcap", "tiny-transformer"])
def captioner(request: pytest.FixtureRequest, tiny_folder: Path):  # type: ignore[no-untyped-def]
    return load_captioner(tiny_folder / request.param)


def test_order_and_batch_size_change_no_caption(captioner) -> None:  # type: ignore[no-untyped-def]
    together = captioner.caption(PICTURES, SAMPLES)
    assert [captioner.caption([picture], SAMPLES)[0].text for picture in PICTURES] == [
        one.text for one in together
    ]
    backwards = captioner.caption(PICTURES[::-1], SAMPLES)
    assert [one.text for one in backwards[::-1]] == [one.text for one in together]


def test_defaults_come_from_the_checkpoint(captioner) -> None:  # type: ignore[no-untyped-def]
    assert captioner.default_options.max_new_tokens == 12
    (said,) = captioner.caption(PICTURES[:1])
    assert said.model == captioner.name and said.text == said.candidates[0].text and said.text.endswith(" .")
    assert captioner.caption([]) == []


def test_features_and_pictures_say_the_same(captioner) -> None:  # type: ignore[no-untyped-def]
    keys = [pixel_key(picture) for picture in PICTURES]
    features = captioner.encoder.encode_image(PICTURES)
    assert captioner.caption_features(features, keys, SAMPLES) == captioner.caption(PICTURES, SAMPLES)


def test_clip_ranks_by_its_own_cosine(captioner) -> None:  # type: ignore[no-untyped-def]
    options = SAMPLES.with_changes(rank_by="similarity")
    features = captioner.encoder.encode_image(PICTURES)
    for image, said in enumerate(captioner.caption(PICTURES, options)):
        cosines = [one.similarity for one in said.candidates]
        assert cosines == sorted(cosines, reverse=True)
        wanted = features[image] @ captioner.encoder.encode_text([one.text for one in said.candidates]).T
        torch.testing.assert_close(torch.tensor(cosines), wanted, rtol=0, atol=1e-5)


def test_ranking_only_reorders(captioner) -> None:  # type: ignore[no-untyped-def]
    plain = captioner.caption(PICTURES, SAMPLES)
    ranked = captioner.caption(PICTURES, SAMPLES.with_changes(rank_by="similarity"))
    for one, other in zip(plain, ranked, strict=True):
        assert {c.text for c in one.candidates} == {c.text for c in other.candidates}
        assert all(c.similarity is None for c in one.candidates)


def test_both_together_is_similarity_and_likelihood_in_one_score(captioner) -> None:  # type: ignore[no-untyped-def]
    near = captioner.caption(PICTURES, SAMPLES.with_changes(rank_by="similarity"))
    both = captioner.caption(PICTURES, SAMPLES.with_changes(rank_by="both"))
    share = LIKELIHOOD / captioner.encoder.cosine_scale
    for one, other in zip(near, both, strict=True):
        assert {c.text for c in one.candidates} == {c.text for c in other.candidates}
        scores = [c.similarity + share * c.avg_logprob for c in other.candidates]
        assert [c.score for c in other.candidates] == pytest.approx(scores)
        assert scores == sorted(scores, reverse=True) and all(c.score is None for c in one.candidates)


@pytest.mark.parametrize("scale, order", [(7.0, ["b", "a"]), (700.0, ["a", "b"])])
def test_a_larger_scale_of_cosines_leaves_likelihood_less_to_say(scale: float, order: list[str]) -> None:
    group = [Candidate("a", -2.0, 0.5), Candidate("b", -1.0, 0.4)]
    assert [one.text for one in rank_by_both(group, scale)] == order
    assert [one.text for one in rank_by_both(group, scale, [scale, 0.0])] == ["a", "b"], "a credit counts"


def test_scoring_gives_each_candidate_its_similarity_and_keeps_the_order(captioner) -> None:  # type: ignore[no-untyped-def]
    plain = captioner.caption(PICTURES, SAMPLES)
    scored = captioner.caption(PICTURES, SAMPLES, score=True)
    ranked = captioner.caption(PICTURES, SAMPLES.with_changes(rank_by="similarity"))
    for before, after, other in zip(plain, scored, ranked, strict=True):
        assert [one.text for one in after.candidates] == [one.text for one in before.candidates]
        assert {(one.text, one.similarity) for one in after.candidates} == {
            (one.text, one.similarity) for one in other.candidates
        }


def test_pictures_are_digested_only_to_sample(captioner, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    digested: list[Image.Image] = []
    monkeypatch.setattr(module, "pixel_key", lambda image: digested.append(image) or pixel_key(image))
    for options in (DecodingOptions(max_new_tokens=4), DecodingOptions(max_new_tokens=4, num_beams=2)):
        captioner.caption(PICTURES, options)
    assert not digested
    captioner.caption(PICTURES, SAMPLES)
    assert digested == PICTURES


def test_what_ranked_by_similarity_is_not_scored_again(captioner, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    batches: list[list[str]] = []
    encode = captioner.encoder.encode_text
    monkeypatch.setattr(
        captioner.encoder, "encode_text", lambda texts: batches.append(texts) or encode(texts)
    )
    captioner.caption(PICTURES, SAMPLES.with_changes(rank_by="similarity"), score=True)
    assert len(batches) == 1


def test_each_text_is_encoded_once(captioner, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    seen: list[str] = []
    encode = captioner.encoder.encode_text
    monkeypatch.setattr(
        captioner.encoder, "encode_text", lambda texts: (seen.extend(texts), encode(texts))[1]
    )
    groups = [[Candidate("a dog .", -1.0), Candidate("a man .", -2.0)], [Candidate("a dog .", -3.0)]]
    rank_by_similarity(captioner.encoder, torch.randn(2, captioner.encoder.clip_dim), groups)
    assert sorted(seen) == ["a dog .", "a man ."]


def test_one_candidate_a_text_keeps_the_best() -> None:
    group = [Candidate("a .", -1.0), Candidate("b .", -2.0), Candidate("a .", -3.0)]
    assert keep_distinct(group) == group[:2]


def test_a_picture_is_known_by_its_pixels() -> None:
    assert pixel_key(PICTURES[1]) == pixel_key(PICTURES[1].copy())
    assert pixel_key(Image.new("RGB", (2, 3))) != pixel_key(Image.new("RGB", (3, 2)))


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(max_new_tokens=8),
        DecodingOptions(max_new_tokens=8, num_beams=3, num_candidates=2),
        SAMPLES,
    ],
)
def test_many_decoded_together_say_what_each_says_alone(captioner, options, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    pictures = [Image.new("RGB", (9, 9), (shift, 255 - shift, 99)) for shift in range(0, 230, 10)]
    looked = [one for picture in pictures for one in captioner.look([picture], options)]
    alone = [captioner.caption_looked([one], options)[0].text for one in looked]
    assert len(set(alone)) > 1
    for rows in (1, 7, 64):
        monkeypatch.setattr(module, "DECODED_ROWS", rows)
        assert [said.text for said in captioner.caption_looked(looked, options)] == alone
