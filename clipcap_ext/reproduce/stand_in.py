"""What stands in where CLIP and GPT-2 are not to be had: a small encoder, a small GPT-2 from scratch, a small
budget.

The stand-in GPT-2 is a folder like the real one's: random weights, and GPT-2's own BPE cut to its first
merges. So "original" and "gradient" read captions through a vocabulary learnt on the web and
"custom-tokenizer" through one of the same size learnt on the captions, as in the paper, with the trainer's
own code for a GPT-2 folder.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from clipcap_ext.engine.catalog import find_encoder_folder
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.errors import CheckpointError, ModelNotFound, UsageError
from clipcap_ext.files import write_folder
from clipcap_ext.reproduce.recipes import GPT2, Recipe

SIZES = {"n_layer": 3, "n_head": 6, "n_embd": 192, "n_positions": 256}
VOCABULARY = 4000
EPOCHS = {"flickr8k": 8, "flickr30k": 1}  # after 8 the validation loss of a GPT-2 falls no more
SOONER = {("flickr8k", "frozen"): 4}  # a mapper alone levels off sooner
BATCH = 128
BPE_FILES = ("vocab.json", "merges.txt")
END_OF_TEXT = "<|endoftext|>"
BYTES = 256
ENCODERS = {
    "flickr8k": ("tiny-clip-lite0", ""),  # its training photos are the Karpathy split's
    "flickr30k": ("tf_efficientnet_lite0", "imagenet"),  # the former has seen photos of Flickr30k's test part
}
SAID = {
    "tiny-clip-lite0": "the encoder tiny-clip-lite0",
    "tf_efficientnet_lite0": "EfficientNet-Lite0 (ImageNet)",
}
_BUDGET = (
    "split=karpathy", "holdout=0", "schedule=cosine", "warmup_steps=100", "precision=bf16",
    "weight_decay=0.05", "patience=0", "validate_images=100", "normalize=true", "log_every=20",
)  # fmt: skip
_CLIPCAP = ("gpt2=@gpt2", "lr=1.5e-3", "prefix_length=4", "max_tokens=40", "lowercase=true")
_FROZEN = ("gpt2=@gradient", "lr=1.5e-3", "max_tokens=40", "lowercase=true", "prefix_length=8",
"clip_length=8",
           "mapper_layers=3", "mapper_heads=6")  # fmt: skip
# a language model of sixty times the small GPT-2's weights: a caption costs many times more
_OTHER_LANGUAGE = ("limit=2000", "lr=5e-4", "prefix_length=4", "max_tokens=40", "lowercase=true")
_SBG = (
    "gpt2=@gpt2", "lr=1.5e-3", "max_tokens=40", "labels=@labels", "block=0", "logit_scale=16",
    "words_most=14",
    "words_template=a {} .", "picture_template=a picture of a {} .", "group_keywords=1", "num_candidates=1",
)  # fmt: skip


def stand_in(recipe: Recipe) -> Recipe:
    """The same row with what can be had here; UsageError for a table that has none."""
    if recipe.table.name not in ENCODERS:
        raise UsageError(
            f"The table {recipe.table.name} has no stand-in: its photos are more than a small model reads."
        )
    encoder, weights = ENCODERS[recipe.table.name]
    batch = BATCH // 5 if recipe.run == "sbg" else BATCH  # SBG counts photos
    settings = {"sbg": _SBG, "merge-rnn": ("lr=2e-3",), "frozen": _FROZEN}
    own: tuple[str, ...] = settings.get(recipe.run, _CLIPCAP)
    learnt = (f"vocab_size={VOCABULARY}",) if recipe.run == "custom-tokenizer" else ()
    epochs = SOONER.get((recipe.table.name, recipe.run), EPOCHS[recipe.table.name])
    about = SAID[encoder] if recipe.run == "merge-rnn" else f"{SAID[encoder]} and a small GPT-2 from scratch"
    if recipe.language != GPT2:
        own, epochs, batch = (*recipe.assignments, *_OTHER_LANGUAGE), 1, 32
        about = f"{SAID[encoder]} and {recipe.language}"
    changes = (
        *_BUDGET, f"epochs={epochs}", f"encoder={encoder}", f"encoder_weights={weights}",
        f"batch_size={batch}", *own, *learnt,
    )  # fmt: skip
    return replace(recipe, assignments=changes, published="", substitute=about, scheme="karpathy")


def missing_encoder(recipe: Recipe) -> list[str]:
    """The stand-in encoder of a row, in words, where it has to be trained first."""
    encoder, weights = ENCODERS[recipe.table.name]
    try:
        if not weights:
            find_encoder_folder(encoder, Path.cwd())
    except ModelNotFound:
        return [f"the encoder {encoder}, which python -m clipcap_ext.train {encoder} makes"]
    return []


def stand_in_labels() -> Path:
    """The label bank of the bundled SBG, made from the Karpathy split's training captions."""
    return BUNDLED / "tiny-sbg-flickr8k"


def write_gpt2(folder: Path, bpe: Path, seed: int) -> Path:
    """A small GPT-2 with random weights of `seed` over the first entries of the BPE in `bpe`; kept if it is
    there.

    CheckpointError if vocab.json or merges.txt is not in `bpe`.
    """
    if (folder / "config.json").is_file():
        return folder
    from clipcap_ext.engine.language.gpt2 import build_gpt2
    from clipcap_ext.train.loop.loop import seed_everything

    vocabulary, merges = cut_bpe(bpe, VOCABULARY)
    with write_folder(folder) as made:  # two trainings may begin at once, and both make the same
        (made / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        (made / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
        seed_everything(seed)
        gpt2 = build_gpt2({**SIZES, "vocab_size": len(vocabulary)})
        gpt2.save_pretrained(str(made), safe_serialization=True)
    return folder


def cut_bpe(folder: Path, size: int) -> tuple[dict[str, int], list[str]]:
    """The vocabulary and merges of the BPE in `folder`, as if its learning had stopped at `size` entries.

    Ids are the original's, but for <|endoftext|>, which becomes the last one.
    """
    missing = [name for name in BPE_FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"GPT-2's BPE: no {' or '.join(missing)} in {folder}. Name its folder by --gpt2-bpe."
        )
    whole = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [line for line in lines if line and not line.startswith("#version")][: size - BYTES - 1]
    entries = sorted((place, token) for token, place in whole.items() if place < BYTES + len(merges))
    vocabulary = {token: place for place, token in entries if token != END_OF_TEXT}
    return {**vocabulary, END_OF_TEXT: len(vocabulary)}, merges
