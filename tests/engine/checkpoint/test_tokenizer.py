"""The byte-level BPE: laws, its two files, and GPT-2's own ids where its files are present."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.checkpoint.tokenizer import END_OF_TEXT, load_tokenizer, train_bpe
from clipcap_ext.errors import CheckpointError

TRAINED = train_bpe(["two dogs play in the snow .", "a man rides a wave ."] * 5, 320)


@given(st.text().filter(lambda text: END_OF_TEXT not in text))
def test_any_text_comes_back(text: str) -> None:
    assert TRAINED.decode(TRAINED.encode(text)) == text


def test_files_give_the_same_tokenizer(tmp_path: Path) -> None:
    TRAINED.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]
    again = load_tokenizer(tmp_path)
    for text in ("two dogs play .", "déjà vu 雪", f"dog ### snow .{END_OF_TEXT}"):
        assert again.encode(text) == TRAINED.encode(text)
    assert again.stop_ids == TRAINED.stop_ids and again.vocab_size == TRAINED.vocab_size


def test_end_of_text_is_one_token_that_is_never_shown() -> None:
    ids = TRAINED.encode(f"dog{END_OF_TEXT}")
    assert ids[-1] == TRAINED.end_of_text_id
    assert TRAINED.decode(ids) == "dog"
    assert TRAINED.encode_batch([f"dog{END_OF_TEXT}", "a"])[0] == ids


def test_stop_ids_are_exactly_the_tokens_with_a_full_stop() -> None:
    shown = {i for i in range(TRAINED.vocab_size) if "." in TRAINED.decode([i])}
    assert TRAINED.stop_ids == shown | {TRAINED.end_of_text_id}


def test_gpt2_ids(shared_data: Path) -> None:
    gpt2 = load_tokenizer(shared_data / "gpt2_bpe")
    assert gpt2.vocab_size == 50257 and gpt2.end_of_text_id == 50256
    assert gpt2.encode("a dog runs .") == [64, 3290, 4539, 764]
    assert {13, 764, 50256} < gpt2.stop_ids


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"vocab\.json and merges\.txt not found"):
        load_tokenizer(tmp_path)
    TRAINED.save(tmp_path)
    (tmp_path / "vocab.json").write_text("not json", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_tokenizer(tmp_path)
