"""A card's fields, read by the Hub's own library and again by ours; and who may read the files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import torch

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.safefile import write_safetensors
from clipcap_ext.engine.front_matter import (
    base_models,
    hub_fields,
    split_card,
    with_front_matter,
    with_scores,
)

BODY = "# a-model\n\nA captioner: of dogs.\n\n---\n\nMore.\n"
SCORES = (
    {"signature": "cap|data:flickr8k|split:karpathy-test|n:1000|tok:ptb|cider:d|v:0.1.0",
     "values": {"BLEU-4": 0.21, "CIDEr-D": 0.511}, "decoding": {}},
)  # fmt: skip


def card_of(text: str) -> dict:
    from huggingface_hub import ModelCard

    read: dict = ModelCard(text).data.to_dict()
    return read


def test_the_hubs_library_reads_what_is_written() -> None:
    bases = base_models(EncoderConfig("ViT-L-14", "openai", True), "gpt2")
    card = with_front_matter(BODY, hub_fields("non-commercial research", "flickr8k", bases))
    read = card_of(card)
    assert read["license"] == "other" and read["license_name"] == "non-commercial-research"
    assert read["language"] == "en" and read["datasets"] == ["flickr8k"]
    assert read["base_model"] == ["openai/clip-vit-large-patch14", "openai-community/gpt2"]
    assert read["pipeline_tag"] == "image-to-text" and "image-captioning" in read["tags"]
    assert split_card(card)[1] == BODY


def test_what_is_not_known_is_not_said() -> None:
    fields = hub_fields("", "holiday", base_models(EncoderConfig("tiny-clip", ""), "scratch"))
    assert not {"language", "base_model", "metrics"} & set(fields)
    assert fields["license_name"] == "terms-of-the-training-data"
    assert hub_fields("mit", "coco")["license"] == "mit" and "license_name" not in hub_fields("mit", "coco")
    assert base_models(EncoderConfig("RN50x4", "openai")) == ["timm/resnet50x4_clip.openai"]


def test_recorded_scores_become_metrics_and_a_model_index() -> None:
    card = with_scores(with_front_matter(BODY, hub_fields("", "flickr8k")), "a-model", SCORES)
    assert with_scores(card, "a-model", SCORES) == card  # once more changes nothing
    read = card_of(card)
    assert read["metrics"] == ["bleu", "cider"]
    (result,) = read["model-index"][0]["results"]
    assert result["dataset"]["name"] == "flickr8k" and result["dataset"]["split"] == "karpathy-test"
    assert [(one["name"], one["value"]) for one in result["metrics"]] == [
        ("BLEU-4", 0.21),
        ("CIDEr-D", 0.511),
    ]
    assert split_card(card)[1] == BODY


@pytest.mark.parametrize("card", [BODY, "---\nlicense: mit\ntags:\n- a\n---\n# Other\n", "", "---\nx"])
def test_a_card_that_another_wrote_stays_as_it_is(card: str) -> None:
    assert split_card(card) == ({}, card) and with_scores(card, "x", SCORES) == card


def test_whoever_reads_other_new_files_reads_weights(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("x")
    write_safetensors(tmp_path / "model.safetensors", {"a": torch.zeros(2)})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain.txt", "model.safetensors")]
    assert modes[0] == modes[1]
