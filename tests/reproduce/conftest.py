"""A drawn data set and GPT-2-like BPE files, and rows made of them with budgets so small that they take
seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from threads import one_thread as one_thread  # every test of this folder
from tiny import write_tiny_encoder
from tiny_rows import words

from clipcap_ext.reproduce import scores, stand_in
from clipcap_ext.reproduce.__main__ import main

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 512}
VOCABULARY = 265  # bytes, the merges below and the end of text
SHORT = {"precision=bf16": "precision=fp32", "warmup_steps=100": "warmup_steps=1"}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn data set of the training tests, in a folder named flickr8k."""
    from tiny_tasks import write_flickr

    folder = tmp_path_factory.mktemp("data") / "flickr8k"
    folder.mkdir()
    write_flickr(folder)
    return folder


@pytest.fixture(scope="session")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files laid out as GPT-2's: 256 bytes, the merges in order, <|endoftext|> last."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("bpe")
    merges = ["Ġ a", "e d", "Ġ s", "h e", "r ed", "Ġ .", "Ġ o", "Ġo n"]
    tokens = [*sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in merges), "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One epoch of a GPT-2 of one layer on a tiny encoder, scored without METEOR's slow start; for all tests
    of this folder."""
    models = tmp_path_factory.mktemp("models")
    write_tiny_encoder(models / "tiny-clip-lite0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPCAP_MODELS", str(models))
        patch.setattr(stand_in, "SIZES", SMALL)
        patch.setattr(stand_in, "VOCABULARY", VOCABULARY)
        patch.setattr(stand_in, "EPOCHS", dict.fromkeys(stand_in.EPOCHS, 1))
        patch.setattr(stand_in, "SOONER", {})
        patch.setattr(stand_in, "_BUDGET", tuple(SHORT.get(text, text) for text in stand_in._BUDGET))
        patch.setattr(
            stand_in, "_FROZEN", tuple(text.replace("heads=6", "heads=2") for text in stand_in._FROZEN)
        )
        patch.setattr(scores, "DEFAULT_METRICS", ("BLEU", "ROUGE-L", "CIDEr-D"))
        yield


@pytest.fixture(scope="session")
def made(drawn: Path, bpe: Path, small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few stand-in rows, one of them with two seeds; treat it as read-only."""
    out = tmp_path_factory.mktemp("made")
    for row, seeds in {"gradient": "0,1", "frozen": "0", "merge-rnn": "0"}.items():
        assert main(words(drawn, bpe, out, "--row", row, "--seeds", seeds)) == 0
    return out
