"""Candidates of several models: each text once, named by who said it, in the order of one CLIP."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import tiny_images

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.errors import ModelNotFound
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.side_by_side import side_by_side
from clipcap_ext.service.standalone import StandaloneHost

MODELS = ("tiny-clipcap", "tiny-transformer")
THREE = DecodingOptions(num_beams=3, num_candidates=3)


def test_two_models_are_ranked_by_one_clip(tiny_folder: Path) -> None:
    service = CaptionService(StandaloneHost(models_dir=tiny_folder, device="cpu"))
    image = tiny_images(1)[0]
    own = {model: service.caption([image], model, THREE).captions[0] for model in MODELS}
    told: list[str] = []
    seen = side_by_side(
        service, image, MODELS, MODELS[0], options=dict.fromkeys(MODELS, THREE), texts=["a dog"],
        on_progress=told.append,
    )  # fmt: skip
    assert seen.judge == MODELS[0] and told[-1] == "judging"
    similarities = [one.judgement.similarity for one in seen.contenders]
    assert similarities == sorted(similarities, reverse=True)
    by_text = {one.text: one.models for one in seen.contenders}
    assert by_text.pop("a dog") == ()
    for model in MODELS:
        assert {text for text, models in by_text.items() if model in models} == {
            plain_caption(candidate.text) for candidate in own[model].candidates
        }
        assert seen.results[model].captions[0].text == own[model].text
    with service.work("judge", 1, MODELS[0]) as work:
        for one in work.judge(image, list(by_text)).judgements:
            same = next(other for other in seen.contenders if other.text == one.text)
            assert same.judgement.similarity == pytest.approx(one.similarity, abs=1e-6)


def test_a_text_that_two_say_is_one_contender(tiny_folder: Path) -> None:
    service = CaptionService(StandaloneHost(models_dir=tiny_folder, device="cpu"))
    image = tiny_images(1)[0]
    text = plain_caption(service.caption([image], MODELS[0]).captions[0].text)
    seen = side_by_side(service, image, MODELS[:1], MODELS[1], texts=[f"{text} ."], words=False)
    assert [(one.text, one.models) for one in seen.contenders] == [(text, MODELS[:1])]
    with pytest.raises(ModelNotFound):
        side_by_side(service, image, ["nobody"], MODELS[0])
