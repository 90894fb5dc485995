"""Precision as it is asked for: fast is in 8 bits or bfloat16 and says so, exact stays what it was, drafted
or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_images

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.captioner import FeatureCaptioner
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.precision import copies, processor, quick
from clipcap_ext.engine.precision.int8 import can_int8
from clipcap_ext.service.keeper import Keeper
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost

MODELS = ("tiny-clipcap", "tiny-transformer", "tiny-sbg")
needs_int8 = pytest.mark.skipif(not can_int8(), reason="this torch has no 8-bit layers")
EXACT = DecodingOptions(max_new_tokens=10)
FAST = EXACT.with_changes(precision="fast")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' models are narrower than 8 bits are worth; what is kept of them is kept elsewhere."""
    monkeypatch.setattr(quick, "NARROWEST", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def processor_of(
    monkeypatch: pytest.MonkeyPatch, *, int8: bool, instructions: set[str], maker: str = "AuthenticAMD"
) -> None:
    """Pretend that torch has 8 bits here or not, and what the processor has."""
    monkeypatch.setattr(processor, "maker", lambda: maker)
    for room in (copies, quick):
        monkeypatch.setattr(room, "can_int8", lambda: int8)
    monkeypatch.setattr(processor, "instructions", lambda: frozenset(instructions))


@pytest.fixture
def captioner(request: pytest.FixtureRequest, tiny_folder: Path) -> FeatureCaptioner:
    if request.param == "tiny-sbg":
        return load_captioner(request.getfixturevalue("tiny_sbg"))
    return load_captioner(tiny_folder / request.param)  # type: ignore[return-value]


def logprobs(captioner: FeatureCaptioner, options: DecodingOptions) -> list[float]:
    return [one.candidates[0].avg_logprob for one in captioner.caption(tiny_images(), options)]


@pytest.mark.parametrize("captioner", MODELS, indirect=True)
@pytest.mark.parametrize("numbers", [pytest.param("int8", marks=needs_int8), "bf16"])
def test_fast_is_less_exact_and_leaves_the_exact_one_as_it_was(
    captioner: FeatureCaptioner, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor_of(monkeypatch, int8=numbers == "int8", instructions={"avx512_bf16"})
    assert captioner.quick_numbers(FAST) == numbers and captioner.quick_numbers(EXACT) == ""
    before = captioner.caption(tiny_images(), EXACT)
    fast = logprobs(captioner, FAST)
    assert fast != [one.candidates[0].avg_logprob for one in before]  # near is not the same
    assert [one.text for one in captioner.caption(tiny_images(), EXACT)] == [one.text for one in before]
    exact, quick = (captioner.image_features(tiny_images(), options) for options in (EXACT, FAST))
    assert not torch.equal(exact, quick) and bool((exact * quick).sum(-1).min() > 0.99)


@pytest.mark.parametrize("captioner", MODELS, indirect=True)
@pytest.mark.parametrize("numbers", [pytest.param("int8", marks=needs_int8), "bf16"])
def test_fast_reads_the_candidates_less_exactly_too(
    captioner: FeatureCaptioner, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor_of(monkeypatch, int8=numbers == "int8", instructions={"avx512_bf16"})
    texts = ["a dog runs", "two people stand on the snow and look at it", "red"]
    exact, fast = (captioner.ranking_encoder(options) for options in (EXACT, FAST))
    assert exact is captioner.encoder and fast is captioner.ranking_encoder(FAST) is not exact
    read = exact.encode_text(texts)
    near = fast.encode_text(texts)
    assert not torch.equal(read, near) and bool((read * near).sum(-1).min() > 0.99)
    assert torch.equal(captioner.encoder.encode_text(texts), read)
    (said,) = captioner.caption(
        tiny_images()[:1], FAST.with_changes(num_candidates=3, temperature=1.0), score=True
    )
    (features,) = captioner.image_features(tiny_images()[:1], FAST)
    similarities = [one.similarity for one in said.candidates]
    written = sorted(one.text for one in said.candidates)
    cosines = dict(zip(written, (fast.encode_text(written) @ features).tolist(), strict=True))
    assert similarities == pytest.approx([cosines[one.text] for one in said.candidates], abs=1e-6)
    exactly = exact.encode_text([one.text for one in said.candidates]) @ features
    assert similarities != pytest.approx(exactly.tolist(), abs=1e-6)


@needs_int8
@pytest.mark.parametrize("captioner", MODELS, indirect=True)
@pytest.mark.parametrize("changes", [{}, {"temperature": 1.2, "num_candidates": 3, "seed": 3}])
def test_a_large_model_is_drafted_once_it_has_said_enough_and_says_the_same(
    captioner: FeatureCaptioner, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EXACT.with_changes(**changes)
    processor_of(monkeypatch, int8=True, instructions={"avx512_vnni"})
    monkeypatch.setattr(copies, "DRAFTED_AFTER", 1)
    monkeypatch.setattr(copies, "DRAFTED_ROWS", 64)
    plain = captioner.caption(tiny_images(), options)
    assert "draft" not in vars(captioner.copies)
    drafted = captioner.caption(tiny_images(), options)
    assert "draft" in vars(captioner.copies)
    assert [[one.text for one in said.candidates] for said in drafted] == [
        [one.text for one in said.candidates] for said in plain
    ]


@needs_int8
@pytest.mark.parametrize("captioner", MODELS[:1], indirect=True)
@pytest.mark.parametrize(
    ("instructions", "drafted"), [("avx2", False), ("avx512_vnni", True), ("amx_int8", True)]
)
def test_only_a_processor_that_multiplies_whole_numbers_quickly_drafts(
    captioner: FeatureCaptioner, instructions: str, drafted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor_of(monkeypatch, int8=True, instructions={instructions})
    monkeypatch.setattr(copies, "DRAFTED_AFTER", 0)
    captioner.caption(tiny_images(), EXACT)
    assert ("draft" in vars(captioner.copies)) is drafted


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


def test_where_nothing_is_faster_fast_is_exact_and_a_word_says_so(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor_of(monkeypatch, int8=False, instructions={"avx2", "avx512f"})
    images, one = tiny_images(), service(tiny_folder)
    fast, exact = (one.caption(images, "tiny-clipcap", options) for options in (FAST, EXACT))
    assert (fast.dtype, exact.dtype) == ("fp32 (no int8 or bf16 here)", "fp32")
    assert fast.captions == exact.captions


@pytest.mark.parametrize("instruction", ["avx512_bf16", "amx_bf16"])
def test_where_only_bfloat16_is_faster_the_result_says_bf16(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, instruction: str
) -> None:
    processor_of(monkeypatch, int8=False, instructions={instruction})
    images, one = tiny_images()[:1], service(tiny_folder)
    assert [one.caption(images, "tiny-clipcap", options).dtype for options in (FAST, EXACT)] == [
        "bf16",
        "fp32",
    ]
    monkeypatch.setattr(quick, "NARROWEST", 512)
    assert service(tiny_folder).caption(images, "tiny-clipcap", FAST).dtype == "fp32 (too small for bf16)"


@pytest.mark.parametrize(
    ("maker", "instructions", "sooner"),
    [
        ("AuthenticAMD", {"avx512_bf16"}, True),
        (" GenuineIntel", {"avx512_bf16"}, False),  # they take longer than those for float32
        ("GenuineIntel", {"avx512_bf16", "amx_bf16"}, True),
        ("Intel64 Family 6 Model 143 Stepping 8, GenuineIntel", {"avx512_bf16"}, False),
        ("AuthenticAMD", {"avx512f"}, False),
    ],
)
def test_bfloat16_is_taken_where_it_is_sooner(
    monkeypatch: pytest.MonkeyPatch, maker: str, instructions: set[str], sooner: bool
) -> None:
    processor_of(monkeypatch, int8=False, instructions=instructions, maker=maker)
    assert processor.quick_in_bf16() is sooner


def test_linux_says_who_made_the_processor_and_what_it_can_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx512_vnni\n\nvendor_id\t: Other\n"
    )
    (tmp_path / "cpuinfo").write_text(told)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    try:
        processor.maker.cache_clear()
        processor.instructions.cache_clear()
        assert processor.maker().strip() == processor.INTEL
        assert processor.instructions() == {"fpu", "avx2", "avx512_vnni"}
    finally:
        processor.maker.cache_clear()
        processor.instructions.cache_clear()


def test_a_device_of_another_kind_says_that_it_knows_nothing_faster(tiny_folder: Path) -> None:
    keeper = Keeper(StandaloneHost(tiny_folder, "cpu", {}))
    loaded = replace(keeper.bring("tiny-clipcap", lambda: None), device=torch.device("mps"))
    assert loaded.numbers(FAST) == "fp32 (nothing faster on mps)" and loaded.numbers(EXACT) == "fp32"
    assert replace(loaded, device=torch.device("cuda"), dtype=torch.float16).numbers(FAST) == "fp16"


@needs_int8
def test_a_model_too_small_to_gain_by_it_stays_as_it_is(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "NARROWEST", 512)
    images, one = tiny_images(), service(tiny_folder)
    fast, exact = (one.caption(images, "tiny-clipcap", options) for options in (FAST, EXACT))
    assert (fast.dtype, fast.captions) == ("fp32 (too small for int8)", exact.captions)
