"""What a ClipCap that reads evidence learns from: swapped, photoless and plain captions beside those of
photos."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.checkpoint.tokenizer import train_bpe
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.concepts.evidence import MARKS
from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.train.clipcap.concept_captions import concept_caption
from clipcap_ext.train.clipcap.concept_words import ConceptWords, with_articles
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.evidence_items import EvidenceItems, TextCaptions, like_photos
from clipcap_ext.train.clipcap.module import CaptioningModule, build_clipcap
from clipcap_ext.train.clipcap.photoless import read_photoless

TABLE = ConceptTable(
    (
        Concept("dog", "animal", (0,), ("dogs", "puppies"), ("puppy",)),
        Concept("otter", "animal", (1,), ("otters",)),
        Concept("car", "vehicle", (2,), ("cars",)),
        Concept("scale", "device", (3,), ("scales",), vague=True),
    ),
    general=(Concept("animal", "animal", (), ("animals",)),),
)
WORDS = ConceptWords(TABLE.sayable)
TEXTS = (("a dog runs .", "two puppies and a car ."), ("a man stands .",), ("a man on a scale .", "cars ."))
SETTINGS: dict[str, Any] = {
    "encoder": "tiny", "encoder_weights": "", "gpt2": "scratch", "n_layer": 1, "n_head": 2, "n_embd": 16,
    "n_positions": 64, "prefix_length": 2, "tokenizer": "captions", "vocab_size": 300, "max_tokens": 40,
    "evidence": True, "feature_noise": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "old", "new", "swapped"),
    [
        ("a puppy and two dogs .", 0, 1, "an otter and two otters ."),
        ("an otter in a car .", 1, 0, "a dog in a car ."),
        ("an otter in a car .", 2, 1, "an otter in an otter ."),
        ("dogma of a man .", 0, 1, "dogma of a man ."),
        ("two puppies and a dog .", 0, 4, "two animals and an animal ."),
        ("an animal runs .", 4, 0, "a dog runs ."),
    ],
)
def test_one_thing_is_swapped_in_its_number(caption: str, old: int, new: int, swapped: str) -> None:
    assert WORDS.swapped(caption, old, new) == swapped


def test_a_kind_has_one_general_word() -> None:
    assert [WORDS.general(number) for number in range(5)] == [4, 4, None, None, None]


def test_some_things_become_the_general_word_of_their_kind() -> None:
    made = items(swapped=0.9)
    tokenizer = train_bpe([text for group in TEXTS for text in group], 300)
    texts = [tokenizer.decode(ids) for ids in made.ids[5:]]
    assert any("animal" in text for text in texts) and not all("animal" in text for text in texts)


def test_words_of_many_meanings_are_not_looked_for() -> None:
    assert WORDS.said_in("a man on a scale near a puppy , a car and a dog") == [0, 2]


@given(st.integers(0, 4), st.integers(0, 2**31))
def test_a_rival_is_another_concept(concept: int, seed: int) -> None:
    assert WORDS.rival(concept, np.random.default_rng(seed)) != concept


@given(st.integers(0, 2**31))
def test_a_plain_caption_says_all_of_its_evidence(seed: int) -> None:
    text, marked = concept_caption(WORDS, np.random.default_rng(seed))
    for number, _ in marked:
        assert TABLE.sayable[number].word in text
    marks = [MARKS.index(mark) for _, mark in marked]
    assert marks == sorted(marks) and text.endswith(" .") and "{" not in text


def test_articles_follow_the_sound_of_most_words() -> None:
    assert with_articles("an dog and a otter on a unicycle") == "a dog and an otter on a unicycle"


def items(features: torch.Tensor | None = None, **changes: Any) -> EvidenceItems:
    config = CaptioningConfig(**{**SETTINGS, **changes})
    tokenizer = train_bpe([text for group in TEXTS for text in group], 300)
    seen = (
        torch.rand(3, 2, 8 + 4, generator=torch.Generator().manual_seed(1)) if features is None else features
    )
    without = TextCaptions(("an otter swims .", "a woman ."), torch.eye(8)[:2]) if config.photoless else None
    return EvidenceItems(config, tokenizer, TABLE, seen, TEXTS, without)


def test_shares_are_beside_the_photos_captions() -> None:
    made = items(swapped=0.2, photoless=0.2, plain=0.1, texts="t.csv")
    assert len(made.lengths) == 10, "five captions of photos are half of all"


def test_the_same_item_is_the_same_in_any_batch_and_another_epoch_another_look() -> None:
    made = items(swapped=0.3, plain=0.2)
    one, more = made.collate(np.array([2]), 0), made.collate(np.array([7, 2]), 0)
    torch.testing.assert_close(one["image_features"][0], more["image_features"][1])
    length = int(one["lengths"][0])
    assert one["input_ids"][0, :length].tolist() == more["input_ids"][1, :length].tolist()
    assert not torch.equal(one["image_features"], made.collate(np.array([2]), 1)["image_features"])


def test_evidence_stands_in_front_and_is_no_label() -> None:
    sure = torch.zeros(3, 1, 12)
    sure[..., 0], sure[..., 8 + 1] = 1, 0.9  # an otter in every photo
    made = items(sure)
    batch = made.collate(np.array([0, 2]), 0)
    tokenizer = train_bpe([text for group in TEXTS for text in group], 300)
    for row, caption in enumerate(("a dog runs .", "a man stands .")):
        start, length = int(batch["starts"][row]), int(batch["lengths"][row])
        ids = batch["input_ids"][row].tolist()
        assert tokenizer.decode(ids[:start]) in (" otter= :", " :"), "seen, or left out this time"
        assert tokenizer.decode(ids[start:length]) == caption
    assert made.weight(np.array([0, 2])) == int((batch["lengths"] - batch["starts"]).sum())


def test_the_loss_learns_captions_and_teaches_the_gate() -> None:
    torch.manual_seed(0)
    made = items(swapped=0.4, plain=0.3)
    config = CaptioningConfig(**SETTINGS)
    model, _ = build_clipcap(config, 8, [text for group in TEXTS for text in group])
    module = CaptioningModule(model, config)
    loss = module(**made.collate(np.arange(len(made.lengths)), 0))
    loss.backward()
    assert model.copy_gate is not None and model.copy_gate.mark.weight.grad is not None
    assert float(model.copy_gate.mark.weight.grad.abs().sum()) > 0 and bool(torch.isfinite(loss))


def test_texts_move_to_where_photos_lie() -> None:
    generator = torch.Generator().manual_seed(2)
    photos = torch.nn.functional.normalize(
        torch.randn(50, 6, generator=generator) * 0.1 + torch.eye(6)[0], dim=-1
    )
    texts = torch.nn.functional.normalize(
        torch.randn(40, 6, generator=generator) + 3 * torch.eye(6)[1], dim=-1
    )
    moved = like_photos(texts, photos)
    torch.testing.assert_close(moved.norm(dim=-1), torch.ones(40))
    assert float(moved.mean(0) @ photos.mean(0)) > 0.9 * float(photos.mean(0).norm() ** 2)


def test_captions_of_the_data_sets_own_photos_are_left_out(tmp_path: Path) -> None:
    rows = 'image,split,caption\n12.jpg,train,A dog .\n13.jpg,train,"A car, red ."\n14.jpg,test,A man .\n'
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert read_photoless(tmp_path / "c.csv.gz", ["12_ab.jpg"]) == ["A car, red ."]
    (tmp_path / "d.csv").write_text("photo,caption\nx,y\n", encoding="utf-8")
    for name in ("d.csv", "none.csv"):
        with pytest.raises(CorpusError, match=name):
            read_photoless(tmp_path / name, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"evidence": False, "swapped": 0.1},
        {"swapped": 0.6, "plain": 0.5},
        {"photoless": 0.2},
        {"texts": "t.csv"},
    ],
)
def test_options_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CaptioningConfig(**{**SETTINGS, **changes})
