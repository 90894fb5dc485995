"""What a row may be called: reproduced only on the published parts, by checksum, with figures that agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipcap_ext.engine.clip.sources import OPENAI, ClipFile
from clipcap_ext.reproduce import parts, results
from clipcap_ext.reproduce.parts import Part, gpt2_part, is_published
from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import recipes
from clipcap_ext.reproduce.states import REPRODUCED, agrees, state_of

GPT2 = "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"
PAPER = {"BLEU-4": 0.335, "CIDEr-D": 1.131}
TRUE = [
    Part("encoder", "CLIP RN50x4 (openai)", OPENAI["RN50x4"].sha256, True).to_json(),
    Part("language model", "GPT-2", GPT2, True).to_json(),
]
RANDOM = Part("language model", "GPT-2", "ab" * 32, False).to_json()


def figure(value: float, half: float = 0.02) -> dict[str, Any]:
    return {"value": value, "interval": [value - half, value + half]}


@pytest.mark.parametrize(
    ("bleu", "cider", "kept", "subset", "state"),
    [
        (0.335, 1.131, TRUE, False, REPRODUCED),
        (0.350, 1.140, TRUE, False, REPRODUCED),  # the interval holds one, the other is within 1%
        (0.310, 1.131, TRUE, False, "run, differs by -0.025 (BLEU-4)"),
        (0.335, 1.000, TRUE, False, "run, differs by -0.131 (CIDEr-D)"),
        (0.335, 1.131, TRUE, True, "run, not every photo"),
        (0.335, 1.131, [TRUE[0], RANDOM], False,
         "run, language model GPT-2 of SHA-256 abababababab..., which is not the published one"),
        (0.335, 1.131, [], False, "run, encoder and language model of unknown origin"),
        (0.010, 1.131, [TRUE[0], RANDOM], False, "run, differs by -0.325 (BLEU-4); language model GPT-2 of "
         "SHA-256 abababababab..., which is not the published one"),
    ],
)  # fmt: skip
def test_states(bleu: float, cider: float, kept: list[dict[str, Any]], subset: bool, state: str) -> None:
    values = {"BLEU-4": figure(bleu), "CIDEr-D": figure(cider, 0.001), "METEOR": figure(0.9)}
    assert state_of(values, PAPER, kept, subset=subset) == state


def test_a_row_without_a_figure_of_the_papers() -> None:
    assert state_of({"BLEU-4": figure(0.3)}, {}, TRUE, subset=False) == (
        "run, the paper has no figure to compare with"
    )


def test_within_one_percent_or_the_interval() -> None:
    assert agrees(1.0, (0.99, 1.01), 1.01) and agrees(1.0, (1.0, 1.0), 0.9901)
    assert not agrees(1.0, (1.0, 1.0), 0.98)


def test_published_by_checksum_alone() -> None:
    assert is_published("GPT-2", GPT2) and is_published("CLIP ViT-B-32 (openai)", OPENAI["ViT-B-32"].sha256)
    assert not is_published("GPT-2", "") and not is_published("CLIP ViT-B-32 (openai)", GPT2)
    assert not is_published("GPT-2", OPENAI["ViT-B-32"].sha256)


def test_what_is_missing_is_named_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe,) = recipes("coco", "transformer")
    (nocaps,) = recipes("nocaps", "transformer")
    (sbg,) = recipes("flickr8k", "sbg-2")
    places = Places(tmp_path)

    def here(clip: Path | None, gpt2: Path | None) -> None:
        monkeypatch.setattr(parts, "find_clip", lambda encoder: clip and ClipFile(clip, "openai"))
        monkeypatch.setattr(parts, "cached_gpt2", lambda: gpt2)

    here(None, None)
    assert results.missing_for(recipe, places) == ["CLIP RN50x4 (openai)", "GPT-2"]
    (tmp_path / "model.safetensors").write_bytes(b"random weights")
    here(tmp_path / "model.safetensors", tmp_path)
    assert results.missing_for(recipe, places) == []
    assert results.missing_for(nocaps, places) == ["the training of the table coco"]
    assert results.missing_for(sbg, places) == ["SBG's label bank"]
    wrong = "as published (by its checksum the one here is another)"
    needs = f"CLIP RN50x4 (openai) {wrong}, GPT-2 {wrong} and the photos and captions of COCO"
    assert results.open_row(recipe, tmp_path)["needs"] == needs
    monkeypatch.setattr(parts, "is_published", lambda name, sha256: bool(sha256))
    assert results.open_row(recipe, tmp_path)["needs"] == "the photos and captions of COCO"
    assert results.open_row(recipe, tmp_path, tmp_path)["state"] == "not run yet"


def test_a_random_gpt2_is_known_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"random weights")
    part = gpt2_part(tmp_path)
    assert len(part.sha256) == 64 and not part.published
