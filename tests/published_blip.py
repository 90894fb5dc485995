"""A BLIP captioner's state dict in the names and shapes that its authors publish, small and random, and their
way of writing a caption; not a test.

Written from the published structure, apart from the package and from transformers on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

LETTERS = [chr(97 + place) for place in range(26)]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, "dog", "cat", "snow", "."]
BEGIN, END = len(WORDS), WORDS.index("[SEP]")
WIDTH, PATCH, SIZE, LAYERS, PLACES, HEAD = 128, 16, 32, 2, 24, 64


def small_blip(seed: int = 3) -> dict[str, Tensor]:
    """The whole state dict, its output weights the embeddings themselves, wide enough that words follow from
    the picture."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in _shapes():
        state[name] = torch.randn(shape, generator=generator) * (0.3 if len(shape) > 1 else 0.1)
        if "norm" in name.lower() and name.endswith("weight"):
            state[name] += 1
    state["text_decoder.bert.embeddings.position_ids"] = torch.arange(PLACES)[None]
    state["text_decoder.cls.predictions.decoder.weight"] = state[
        "text_decoder.bert.embeddings.word_embeddings.weight"
    ]
    state["text_decoder.cls.predictions.decoder.bias"] = state["text_decoder.cls.predictions.bias"]
    return state


def save_blip(file: Path, state: Mapping[str, Tensor] | None = None) -> Path:
    """As the authors' training does; returns `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": dict(small_blip() if state is None else state)}, file)
    return file


def write_words(folder: Path) -> Path:
    """vocab.txt as BERT's is, without the authors' two words; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder / "vocab.txt"


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    vocabulary, cells = len(WORDS) + 2, (SIZE // PATCH) ** 2
    yield "visual_encoder.cls_token", (1, 1, WIDTH)
    yield "visual_encoder.pos_embed", (1, cells + 1, WIDTH)
    yield "visual_encoder.patch_embed.proj.weight", (WIDTH, 3, PATCH, PATCH)
    yield "visual_encoder.patch_embed.proj.bias", (WIDTH,)
    for block in (f"visual_encoder.blocks.{number}." for number in range(LAYERS)):
        yield from _norm(f"{block}norm1")
        yield from _linear(f"{block}attn.qkv", WIDTH, 3 * WIDTH)
        yield from _linear(f"{block}attn.proj", WIDTH, WIDTH)
        yield from _norm(f"{block}norm2")
        yield from _linear(f"{block}mlp.fc1", WIDTH, 4 * WIDTH)
        yield from _linear(f"{block}mlp.fc2", 4 * WIDTH, WIDTH)
    yield from _norm("visual_encoder.norm")
    yield "text_decoder.bert.embeddings.word_embeddings.weight", (vocabulary, WIDTH)
    yield "text_decoder.bert.embeddings.position_embeddings.weight", (PLACES, WIDTH)
    yield from _norm("text_decoder.bert.embeddings.LayerNorm")
    for layer in (f"text_decoder.bert.encoder.layer.{number}." for number in range(LAYERS)):
        for part in ("attention", "crossattention"):
            for name in ("self.query", "self.key", "self.value", "output.dense"):
                yield from _linear(f"{layer}{part}.{name}", WIDTH, WIDTH)
            yield from _norm(f"{layer}{part}.output.LayerNorm")
        yield from _linear(f"{layer}intermediate.dense", WIDTH, 4 * WIDTH)
        yield from _linear(f"{layer}output.dense", 4 * WIDTH, WIDTH)
        yield from _norm(f"{layer}output.LayerNorm")
    yield "text_decoder.cls.predictions.bias", (vocabulary,)
    yield from _linear("text_decoder.cls.predictions.transform.dense", WIDTH, WIDTH)
    yield from _norm("text_decoder.cls.predictions.transform.LayerNorm")


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (WIDTH,)
    yield f"{name}.bias", (WIDTH,)


def greedy(state: Mapping[str, Tensor], pixels: Tensor, most: int) -> list[str]:
    """The caption of each picture of pixels (B, 3, SIZE, SIZE), the likeliest word at a time, without a cache
    and without a prompt."""
    seen, texts = see(state, pixels), []
    for row in seen:
        ids = [BEGIN]
        while len(ids) <= most:
            ids.append(int(logits(state, torch.tensor([ids]), row[None])[0, -1].argmax()))
            if ids[-1] == END:
                break
        texts.append(" ".join(WORDS[one] for one in ids if one < BEGIN and one not in (0, END)))
    return texts


def see(state: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
    """pixels (B, 3, SIZE, SIZE) -> (B, cells + 1, WIDTH): a vision transformer with the norms first."""
    p = "visual_encoder."
    proj = F.conv2d(pixels, state[f"{p}patch_embed.proj.weight"], state[f"{p}patch_embed.proj.bias"], PATCH)
    x = torch.cat([state[f"{p}cls_token"].expand(len(pixels), -1, -1), proj.flatten(2).transpose(1, 2)], 1)
    x = x + state[f"{p}pos_embed"]
    for block in (f"{p}blocks.{number}." for number in range(LAYERS)):
        y = norm(state, f"{block}norm1", x, 1e-6)
        query, key, value = linear(state, f"{block}attn.qkv", y).chunk(3, -1)
        x = x + linear(state, f"{block}attn.proj", attend(query, key, value))
        y = F.gelu(linear(state, f"{block}mlp.fc1", norm(state, f"{block}norm2", x, 1e-6)))
        x = x + linear(state, f"{block}mlp.fc2", y)
    return norm(state, f"{p}norm", x, 1e-6)


def logits(state: Mapping[str, Tensor], ids: Tensor, seen: Tensor) -> Tensor:
    """ids (B, T) and what was seen (B, cells + 1, WIDTH) -> (B, T, vocabulary): a BERT, norms last, that
    looks back and at the picture."""
    p = "text_decoder.bert."
    x = state[f"{p}embeddings.word_embeddings.weight"][ids]
    x = x + state[f"{p}embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm(state, f"{p}embeddings.LayerNorm", x, 1e-12)
    for layer in (f"{p}encoder.layer.{number}." for number in range(LAYERS)):
        for part, source in (("attention", None), ("crossattention", seen)):
            given = x if source is None else source
            query = linear(state, f"{layer}{part}.self.query", x)
            key, value = (linear(state, f"{layer}{part}.self.{name}", given) for name in ("key", "value"))
            y = linear(state, f"{layer}{part}.output.dense", attend(query, key, value, source is None))
            x = norm(state, f"{layer}{part}.output.LayerNorm", x + y, 1e-12)
        y = linear(state, f"{layer}output.dense", F.gelu(linear(state, f"{layer}intermediate.dense", x)))
        x = norm(state, f"{layer}output.LayerNorm", x + y, 1e-12)
    head = "text_decoder.cls.predictions."
    y = norm(state, f"{head}transform.LayerNorm", F.gelu(linear(state, f"{head}transform.dense", x)), 1e-12)
    return y @ state[f"{p}embeddings.word_embeddings.weight"].T + state[f"{head}bias"]


def linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: Mapping[str, Tensor], name: str, x: Tensor, epsilon: float) -> Tensor:
    return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], epsilon)


def attend(query: Tensor, key: Tensor, value: Tensor, back: bool = False) -> Tensor:
    """Attention of heads HEAD wide; `back`: each place sees those before it and itself."""
    split = [part.unflatten(-1, (-1, HEAD)).transpose(1, 2) for part in (query, key, value)]
    weights = split[0] @ split[1].transpose(2, 3) / HEAD**0.5
    if back:
        later = torch.ones(weights.shape[-2:], dtype=torch.bool).triu(1)
        weights = weights.masked_fill(later, -torch.inf)
    return (weights.softmax(-1) @ split[2]).transpose(1, 2).flatten(2)
