"""Parts of the tables: statistics kept and derived again, the cut BPE, recipes against the trainer's own
options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.metrics import score
from clipcap_ext.metrics.stored import restored, stored
from clipcap_ext.reproduce import stand_in as stand_in_module
from clipcap_ext.reproduce.paper import read_tables
from clipcap_ext.reproduce.recipes import GPT2, Recipe, recipes
from clipcap_ext.reproduce.results import together
from clipcap_ext.reproduce.stand_in import ENCODERS, EPOCHS, SOONER, cut_bpe, stand_in
from clipcap_ext.train.presets import find_preset
from clipcap_ext.train.run import resolve

SOME = ["a", "dog", "runs", "on", "the", "snow", "and", "jumps", "."]
WORDS = st.lists(st.sampled_from(SOME), min_size=1, max_size=9).map(" ".join)
PHOTOS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=2, max_size=6)
PURE = ["BLEU", "ROUGE-L", "CIDEr-D"]


@given(PHOTOS)
def test_kept_statistics_give_the_scores_and_intervals_again(photos: list[tuple[str, list[str]]]) -> None:
    names = [f"{i}.jpg" for i in range(len(photos))]
    hypotheses = dict(zip(names, (text for text, _ in photos), strict=True))
    references = dict(zip(names, (texts for _, texts in photos), strict=True))
    tables = score(hypotheses, references, "words", PURE).tables
    again = restored(json.loads(json.dumps(stored(tables))))
    assert list(again) == list(tables)
    first, second = Bootstrap(samples=20).intervals(tables), Bootstrap(samples=20).intervals(again)
    for name, table in tables.items():
        assert again[name].value == pytest.approx(table.value, abs=1e-5)
        assert again[name].per_image == pytest.approx(table.per_image, abs=1e-5)
        assert second[name] == pytest.approx(first[name], abs=1e-5)


@pytest.mark.java
def test_kept_statistics_of_meteor() -> None:
    hypotheses = {"a": "a dog runs", "b": "two men in the snow", "c": "a dog runs on grass"}
    references = {
        "a": ["a dog runs", "a dog"],
        "b": ["a man walks on snow"],
        "c": ["the dogs run over a meadow"],
    }
    table = score(hypotheses, references, "words", ["METEOR"]).tables["METEOR"]
    again = restored(stored({"METEOR": table}))["METEOR"]
    assert again.value == pytest.approx(table.value, abs=1e-5)


def test_seeds_are_averaged_and_resampled_together() -> None:
    one, other = {"CIDEr-D": [0.0, 1.0, 2.0, 3.0]}, {"CIDEr-D": [1.0, 2.0, 3.0, 4.0]}
    both = together([one, other])["CIDEr-D"]
    assert both["value"] == 2.0 and both["seeds"] == [1.5, 2.5]
    alone = together([one])["CIDEr-D"]["interval"]
    assert both["interval"] == pytest.approx(
        [end + 0.5 for end in alone]
    )  # the seeds differ by 1 on every image
    weights = Bootstrap().weights(4)
    means = weights @ np.arange(4.0) / 4
    assert alone == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-4)


def test_the_cut_bpe_is_the_one_learnt_so_far(bpe: Path, tmp_path: Path) -> None:
    vocabulary, merges = cut_bpe(bpe, 262)
    assert merges == ["Ġ a", "e d", "Ġ s", "h e", "r ed"]
    assert sorted(vocabulary.values()) == list(range(262)) and vocabulary["<|endoftext|>"] == 261
    assert vocabulary["red"] == 260 and "Ġ." not in vocabulary
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    cut, whole = load_tokenizer(tmp_path), load_tokenizer(bpe)
    text = "a red one on the shed ."
    assert cut.decode(cut.encode(text)) == text
    assert len(whole.encode(text)) < len(cut.encode(text)) < len(text)


def test_gpt2s_own_first_merges(shared_data: Path) -> None:
    vocabulary, merges = cut_bpe(shared_data / "gpt2_bpe", 4000)
    whole = json.loads((shared_data / "gpt2_bpe" / "vocab.json").read_text(encoding="utf-8"))
    assert len(vocabulary) == 4000 and len(merges) == 4000 - 257
    assert {token for token, place in vocabulary.items() if whole[token] != place} == {"<|endoftext|>"}
    assert vocabulary["."] == 13 and vocabulary["Ġ."] == 764


def test_a_bpe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--gpt2-bpe"):
        cut_bpe(tmp_path, 4000)


@pytest.mark.parametrize("table", list(read_tables()))
@pytest.mark.parametrize("kind", ["full", "stand-in"])
def test_every_recipe_is_one_the_trainer_takes(table: str, kind: str, tmp_path: Path) -> None:
    if kind == "stand-in" and table not in ENCODERS:
        with pytest.raises(UsageError, match="no stand-in"):
            stand_in(recipes(table)[0])
        return
    for recipe in recipes(table):
        made = stand_in(recipe) if kind == "stand-in" else recipe
        config = resolved(made)
        assert made.scheme == ("karpathy" if kind == "stand-in" else recipe.scheme)
        assert config.split == made.scheme or table in ("conceptual", "nocaps")


@pytest.fixture
def real_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were when this file was read: other tests of the folder make them small for good."""
    monkeypatch.setattr(stand_in_module, "EPOCHS", EPOCHS)
    monkeypatch.setattr(stand_in_module, "SOONER", SOONER)


def test_the_stand_ins_of_a_table_have_one_budget(real_budgets: None) -> None:
    """But for the language models of another size, which are small in nothing else."""
    budgets, others = set(), set()
    for recipe in map(stand_in, recipes("flickr8k")):
        config = resolved(recipe)
        trained_on = (config.split, config.schedule, config.encoder, config.patience)
        if recipe.language != GPT2:
            others.add((*trained_on, config.epochs, config.batch_size, config.limit))
            continue
        captions = config.batch_size * (5 if recipe.run == "sbg" else 1)
        assert 120 <= captions <= 128 and not config.limit
        sooner = SOONER.get(("flickr8k", recipe.run))
        assert sooner is None or config.epochs == sooner < EPOCHS["flickr8k"]
        budgets.add((*trained_on, EPOCHS["flickr8k"] if sooner else config.epochs))
    assert len(budgets) == len(others) == 1
    assert budgets.pop()[:4] == others.pop()[:4]


def test_the_rows_of_another_language_model_differ_in_what_is_trained_alone() -> None:
    in_full = [recipe for recipe in recipes("flickr8k") if recipe.language != GPT2]
    for frozen, tuned in (in_full, map(stand_in, in_full)):
        differing = set(frozen.assignments) ^ set(tuned.assignments)
        assert differing == {"trained=mapper", "trained=all"} and "lm=@lm" in frozen.assignments
        assert frozen.preset == tuned.preset and frozen.language == tuned.language


def resolved(recipe: Recipe) -> Any:
    """A row's options; a language model's folder would have to be there."""
    assignments = [text.replace("=@", "=/") for text in recipe.assignments if text != "lm=@lm"]
    return resolve(find_preset(recipe.preset), None, assignments)
