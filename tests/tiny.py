"""Writes a tiny random CLIP and ClipCap, bit for bit the same under every version of the libraries; not a
test.

Weights come from numpy's frozen RandomState streams, name by name, so neither the order in which a library
builds its layers nor its way of initialising them matters. The vocabulary is 256 bytes and a few words; the
weights favour words.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn

if TYPE_CHECKING:
    from clipcap_ext.engine.sbg.labels import LabelBank

WORDS = "a the two dog man girl boy ball snow grass water red black white runs jumps plays in on through with"
CLIP_CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SBG_DECODING = {"temperature": 1.0, "top_k": 50, "num_candidates": 5, "rank_by": "similarity", "seed": 0}
GPT2_SIZES = {"n_positions": 96, "n_embd": 32, "n_layer": 2, "n_head": 2}


def write_tiny_encoder(folder: Path) -> None:
    """A CLIP of two small transformers, 32 x 32 pixels in, 32 numbers out."""
    from clipcap_ext.engine.clip.loading import build_clip, save_encoder
    from clipcap_ext.engine.clip.preprocess import Preprocess

    clip = build_clip(CLIP_CONFIG)
    randomise(clip, scale=0.15)
    save_encoder(
        folder, clip, CLIP_CONFIG, Preprocess(size=32, resize_mode="squash"), "A random CLIP for tests.\n"
    )


def write_tiny_clipcap(folder: Path, encoder: str, mapper: str = "mlp") -> None:
    """A ClipCap of two layers over the encoder folder called `encoder`, which lies beside `folder`."""
    from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig
    from clipcap_ext.engine.checkpoint.folder import save_checkpoint
    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
    from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel

    source = folder.parent / f"{folder.name}-tokenizer"
    write_tokenizer(source)
    tokenizer = load_tokenizer(source)
    shape = {"clip_length": 3, "mapper_layers": 2, "mapper_heads": 2} if mapper == "transformer" else {}
    architecture = ClipCapConfig(
        clip_dim=32,
        prefix_length=4,
        mapper=mapper,
        gpt2={**GPT2_SIZES, "vocab_size": tokenizer.vocab_size},
        **shape,
    )
    model = ClipCapModel(architecture)
    randomise(model, scale=0.25)
    prefer_words(model.gpt2.transformer, tokenizer.vocab_size - len(WORDS.split()) - 2)
    config = CheckpointConfig(
        kind="clipcap", name=folder.name, model=architecture.to_dict(),
        encoder=EncoderConfig(encoder, "", True), decoding={"max_new_tokens": 12},
    )  # fmt: skip
    save_checkpoint(folder, model, tokenizer, config, card="A random ClipCap for tests.\n")


def write_tiny_sbg(folder: Path, encoder: str) -> None:
    """An SBG of two layers over the encoder folder called `encoder`, which lies beside `folder`."""
    from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig
    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
    from clipcap_ext.engine.language.gpt2 import build_gpt2
    from clipcap_ext.engine.sbg.checkpoint import save_sbg, sbg_model
    from clipcap_ext.engine.sbg.constants import SelectionConstants

    source = folder.parent / f"{folder.name}-tokenizer"
    write_tokenizer(source)
    tokenizer = load_tokenizer(source)
    sizes = {**GPT2_SIZES, "n_positions": 640, "vocab_size": tokenizer.vocab_size}
    gpt2 = build_gpt2(sizes)
    randomise(gpt2, scale=0.25)
    prefer_words(gpt2.transformer, tokenizer.vocab_size - len(WORDS.split()) - 2)
    config = CheckpointConfig(
        kind="sbg", name=folder.name, model=sbg_model(sizes, SelectionConstants()),
        encoder=EncoderConfig(encoder, "", True), decoding={**SBG_DECODING, "max_new_tokens": 12},
    )  # fmt: skip
    save_sbg(folder, gpt2, tokenizer, tiny_bank(), config, card="A random SBG for tests.\n")


def write_tiny_merge_rnn(folder: Path, encoder: str) -> None:
    """A Merge-RNN of sixteen cells over the encoder folder called `encoder`, which lies beside `folder`."""
    from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig
    from clipcap_ext.engine.checkpoint.folder import save_checkpoint
    from clipcap_ext.engine.checkpoint.vocabulary import WordVocabulary
    from clipcap_ext.engine.merge_rnn.model import MergeRnnConfig, MergeRnnModel

    words = WordVocabulary(list(dict.fromkeys(WORDS.split())))
    architecture = MergeRnnConfig(feature_dim=32, vocab_size=words.vocab_size, layer_size=16)
    model = MergeRnnModel(architecture)
    randomise(model, scale=0.7)
    config = CheckpointConfig(
        kind="merge-rnn", name=folder.name, model=architecture.to_dict(),
        encoder=EncoderConfig(encoder, "", True),
        decoding={"max_new_tokens": 12, "num_beams": 3, "length_penalty": 0.0},
    )  # fmt: skip
    save_checkpoint(folder, model, words, config, card="A random Merge-RNN for tests.\n")


def tiny_bank() -> LabelBank:
    """A small label bank: every facet has something, one group is empty."""
    from clipcap_ext.engine.sbg.labels import Label, LabelBank

    words = ["dog", "man", "girl", "boy", "ball", "snow", "grass", "water", "red", "black", "white"]
    adjectives = ("red", "black", "white")
    labels = [Label(word, "ADJ" if word in adjectives else "NOUN", 90 - i) for i, word in enumerate(words)]
    taxonomy = {
        "scenery": {"beach": ["sand", "shore"], "arctic": ["snow", "ice"], "indoor": ["room"], "wetland": []},
        "human": ["boy", "girl", "player"],
        "animal": {"mammal": ["dog", "cat"], "bird": ["duck"]},
        "plant": {"grass": ["grass", "meadow"], "tree": ["oak"]},
        "object": {
            "tool": ["rope"],
            "clothing and fashion": ["shirt"],
            "device": ["ball", "camera", "toy", "kite"],
        },
        "activity": {"moving": ["run", "jump"], "looking": []},
        "weather": {"rainy": ["pour"], "snowy": []},
        "time": {"morning": ["day"], "night": []},
        "number": ["two"],
        "adjective": ["red", "black", "white"],
    }
    return LabelBank(tuple(labels), taxonomy, {"source": "the tests"})


def randomise(model: nn.Module, scale: float) -> None:
    """Normal weights of deviation `scale`, a stream for each parameter's name; norms stay near one."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            stream = np.random.RandomState(zlib.crc32(name.encode()))
            values = torch.from_numpy(np.asarray(stream.standard_normal(tuple(parameter.shape)) * scale))
            is_norm = parameter.dim() == 1 and name.endswith("weight")
            parameter.copy_(values + 1 if is_norm else values)


def prefer_words(body: nn.Module, first_word: int) -> None:
    """Shrink the embeddings of bytes and parts of words, so that words win; let positions say more than they
    would."""
    with torch.no_grad():
        body.wte.weight[:first_word] *= 0.02
        body.wte.weight[first_word:] *= 2
        body.wpe.weight *= 2.5


def write_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt: the bytes, then each of WORDS (and " .") grown letter by letter."""
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = sorted(ByteLevel.alphabet())
    merges: list[str] = []
    whole: list[str] = []
    for word in [f"Ġ{word}" for word in [*WORDS.split(), "."]]:
        for end in range(2, len(word) + 1):
            merges.append(f"{word[: end - 1]} {word[end - 1]}")
        whole.append(word)
    steps = [merge.replace(" ", "") for merge in dict.fromkeys(merges)]
    tokens += [step for step in steps if step not in whole]
    parts = len(tokens)
    tokens += [*dict.fromkeys(whole), "<|endoftext|>"]
    assert parts + len(whole) + 1 == len(tokens)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *dict.fromkeys(merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tiny_images(count: int = 6) -> list[Image.Image]:
    """Small pictures of smooth random colour, each of another size."""
    pictures = []
    for i in range(count):
        coarse = np.random.RandomState(i).randint(0, 256, (4, 5, 3), dtype=np.uint8)
        pictures.append(Image.fromarray(coarse).resize((40 + 8 * i, 48), Image.Resampling.NEAREST))
    return pictures
