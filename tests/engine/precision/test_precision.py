"""Precision as it is asked for: fast is in 8 bits and says so, exact stays what it was, drafted or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import tiny_images

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.precision import copies, int8
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost

MODELS = ("tiny-clipcap", "tiny-transformer", "tiny-sbg")
needs_int8 = pytest.mark.skipif(not can_int8(), reason="this torch has no 8-bit layers")
EXACT = DecodingOptions(max_new_tokens=10)
FAST = EXACT.with_changes(precision="fast")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' models are narrower than 8 bits are worth."""
    monkeypatch.setattr(int8, "NARROWEST", 1)


@pytest.fixture
def captioner(request: pytest.FixtureRequest, tiny_folder: Path) -> FeatureCaptioner:
    if request.param == "tiny-sbg":
        return load_captioner(request.getfixturevalue("tiny_sbg"))
    return load_captioner(tiny_folder / request.param)  # type: ignore[return-value]


def logprobs(captioner: FeatureCaptioner, options: DecodingOptions) -> list[float]:
    return [one.candidates[0].avg_logprob for one in captioner.caption(tiny_images(), options)]


@needs_int8
@pytest.mark.parametrize("captioner", MODELS, indirect=True)
def test_fast_is_in_8_bits_and_leaves_the_exact_one_as_it_was(captioner: FeatureCaptioner) -> None:
    before = captioner.caption(tiny_images(), EXACT)
    fast = logprobs(captioner, FAST)
    assert fast != [one.candidates[0].avg_logprob for one in before]  # near is not the same
    assert [one.text for one in captioner.caption(tiny_images(), EXACT)] == [one.text for one in before]
    exact, quick = (captioner.image_features(tiny_images(), options) for options in (EXACT, FAST))
    assert not torch.equal(exact, quick) and bool((exact * quick).sum(-1).min() > 0.99)


@needs_int8
@pytest.mark.parametrize("captioner", MODELS, indirect=True)
@pytest.mark.parametrize("changes", [{}, {"temperature": 1.2, "num_candidates": 3, "seed": 3}])
def test_a_large_model_is_drafted_once_it_has_said_enough_and_says_the_same(
    captioner: FeatureCaptioner, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EXACT.with_changes(**changes)
    monkeypatch.setattr(copies, "DRAFTED_AFTER", 1)
    monkeypatch.setattr(copies, "DRAFTED_ROWS", 64)
    plain = captioner.caption(tiny_images(), options)
    assert "draft" not in vars(captioner.copies)
    drafted = captioner.caption(tiny_images(), options)
    assert "draft" in vars(captioner.copies)
    assert [[one.text for one in said.candidates] for said in drafted] == [
        [one.text for one in said.candidates] for said in plain
    ]


def service(tiny_folder: Path, precision: str = "exact") -> CaptionService:
    return CaptionService(StandaloneHost(tiny_folder, "cpu", {"clipcap_precision": precision}))


@needs_int8
def test_the_result_says_int8_where_it_is_and_where_the_settings_ask_for_it(tiny_folder: Path) -> None:
    image = tiny_images()[:1]
    assert service(tiny_folder).caption(image, "tiny-clipcap", EXACT).dtype == "fp32"
    assert service(tiny_folder).caption(image, "tiny-clipcap", FAST).dtype == "int8"
    assert service(tiny_folder).caption(image, "tiny-clipcap").dtype == "fp32"
    settled = service(tiny_folder, "fast")
    assert settled.caption(image, "tiny-clipcap").dtype == "int8"
    assert settled.caption(image, "tiny-clipcap", EXACT).dtype == "fp32"  # what is asked for goes before


def test_where_there_are_no_8_bits_fast_is_exact_and_a_word_says_so(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "can_int8", lambda: False)
    monkeypatch.setattr(int8, "can_int8", lambda: False)
    images, one = tiny_images(), service(tiny_folder)
    fast, exact = (one.caption(images, "tiny-clipcap", options) for options in (FAST, EXACT))
    assert (fast.dtype, exact.dtype) == ("fp32 (no int8 here)", "fp32")
    assert fast.captions == exact.captions


@needs_int8
def test_a_model_too_small_to_gain_by_it_stays_as_it_is(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    images, one = tiny_images(), service(tiny_folder)
    fast, exact = (one.caption(images, "tiny-clipcap", options) for options in (FAST, EXACT))
    assert (fast.dtype, fast.captions) == ("fp32 (too small for int8)", exact.captions)
