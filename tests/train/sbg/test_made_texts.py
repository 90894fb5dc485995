"""What SBG learns beside the photos' captions: things swapped in keywords and captions alike, captions
without photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_bank, write_tiny_encoder

from clipcap_ext.caption_text import learnt_caption
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.sbg.label_files import write_bank
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.concept_words import ConceptWords
from clipcap_ext.train.sbg.config import SbgConfig
from clipcap_ext.train.sbg.made_texts import imagine_evidence, swap_captions
from clipcap_ext.train.sbg.task import SbgTask

TABLE = ConceptTable(
    (
        Concept("dog", "animal", (0,), ("dogs",)),
        Concept("otter", "animal", (1,), ("otters",)),
        Concept("car", "vehicle", (2,), ("cars",)),
    )
)
CAPTIONS = (("a dog runs .", "two dogs and a car .", "it is fast ."), ("a man stands .",))
KEYWORDS = [[["dog", "grass", "brown dog"], ["snow", "dog"]], [["man", "street"]]]
SETTINGS: dict[str, Any] = {
    "batch_size": 4, "encoder_weights": "", "gpt2": "scratch", "n_layer": 1, "n_head": 2, "n_embd": 16,
    "n_positions": 200, "tokenizer": "captions", "vocab_size": 400, "max_tokens": 30, "block": 0,
    "words_most": 3, "num_candidates": 2, "device": "cpu", "concepts_low": 0.1,
}  # fmt: skip


@given(st.integers(0, 2**31))
def test_a_swapped_thing_leads_the_keywords_and_is_said_by_every_caption(seed: int) -> None:
    made = swap_captions(TABLE, CAPTIONS, KEYWORDS, 5, seed)
    words = ConceptWords(TABLE.concepts)
    assert len(made.captions) == len(made.keywords) == 5
    for texts, ((first, *others),) in zip(made.captions, made.keywords, strict=True):
        new = TABLE.words.index(first)
        assert texts and all(new in words.said_in(text) for text in texts)
        assert first not in others and set(others) <= {"dog", "grass", "brown dog", "snow"}
        if not any(0 in words.said_in(text) for text in texts):
            assert not any("dog" in text for text in others), "what is no longer said is no keyword"


def test_captions_that_say_nothing_of_the_table_are_not_swapped() -> None:
    assert not swap_captions(TABLE, CAPTIONS[1:], KEYWORDS[1:], 4, 0).captions


def test_imagined_evidence_is_mostly_of_what_a_caption_says() -> None:
    seen = imagine_evidence(TABLE, ["a dog in a car ."] * 400, 0)
    assert seen.shape == (400, 3) and set(seen.unique().tolist()) == {0.0, 0.25, 0.5}
    said, strange = (seen[:, (0, 2)] > 0).float().mean(), (seen[:, 1] > 0).float().mean()
    assert 0.8 < said < 0.95 and 0.02 < strange < 0.2
    assert torch.equal(seen, imagine_evidence(TABLE, ["a dog in a car ."] * 400, 0))


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-texts")
    write_bank(tiny_bank(), folder / "labels.json")
    (folder / "texts.csv").write_text(
        "image,split,caption\n1.jpg,train,Two otters  swim\n2.jpg,train,A car .\n3.jpg,test,No .\n"
    )
    return folder


def test_made_items_are_learnt_beside_the_photos(labels: Path, flickr_folder: Path) -> None:
    config = SbgConfig(
        **{**SETTINGS, "encoder": "tiny-clip-flickr8k", "end_stop": True}, swapped=0.5,
        labels=str(labels / "labels.json"), texts=str(labels / "texts.csv"),
    )  # fmt: skip
    task = SbgTask.build(config, flickr_folder, labels / "cache", lambda line: None)
    photos = len(task._train.image_ids)
    swapped = round(0.5 * photos)
    assert len(task.lengths) in (photos + 2, photos + swapped + 2), "none where no caption says a thing"
    assert sorted(task._train.captions[-2:]) == [("a car .",), ("two otters swim .",)]
    last = task.collate(torch.arange(len(task.lengths))[-3:].numpy(), 0)
    assert len(last["prompt_ids"]) == 3 and torch.isfinite(task.module(**last))


def test_an_encoder_without_a_reader_and_settings_that_do_not_fit_are_refused(
    labels: Path, flickr_folder: Path
) -> None:
    write_tiny_encoder(labels / "tiny-clip")
    config = SbgConfig(**SETTINGS, encoder=str(labels / "tiny-clip"), labels=str(labels / "labels.json"))
    with pytest.raises(UsageError, match=r"no concepts\.json"):
        SbgTask.build(config, flickr_folder, labels / "cache", lambda line: None)
    for changes in ({"concepts_low": 0.0}, {"block": 48}):
        with pytest.raises(UsageError, match="need concepts_low and block=0"):
            SbgConfig(**{**SETTINGS, **changes}, swapped=0.5)


def test_captions_as_they_are_learnt() -> None:
    assert learnt_caption(" A  Dog runs", lowercase=True, end_stop=True) == "a dog runs ."
    assert learnt_caption("A Dog runs", lowercase=True, end_stop=False) == "a dog runs"
